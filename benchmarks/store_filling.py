"""A tracking store with thousands of finished trials, made in a minute from a real sweep.

Every run is a copy of a run that a sweep has left, in all tables of MLflow, with a name, a setting and files of its
confusion matrices in which some pixels of each class are called something else than in the original. Pictures and
texts are the original's, by hard links.
"""

import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fnmask.tracking.artifacts import confusion_name, pack_confusion, unpack_confusion

_COPIED = "soften_fn road"
_OF_A_RUN = ("params", "tags", "metrics", "latest_metrics")
_CONFUSIONS = tuple(confusion_name(split) for split in ("val", "test"))


@dataclass(frozen=True)
class Copy:
    """A run to be made."""

    run_id: str
    of: str
    sweep: str
    study: str
    trial: int
    alpha: str


def fill_store(root: Path, *, sweeps: int, trials: int, seed: int = 0) -> list[str]:
    """Copy the only sweep of a store.

    Args:
        root: project with `mlflow.db` and `mlruns`; its sweep has `soften_fn` over `loss.alpha`, and controls.
        sweeps: to be made.
        trials: of each of them, its controls among them.
        seed: of the settings and of the matrices.

    Returns:
        Names of the new sweeps.
    """
    rng = np.random.default_rng(seed)
    database = sqlite3.connect(root / "mlflow.db")
    parent = _with_tag(database, "kind", "sweep")[0]
    controls = [*_with_tag(database, "control", "plain"), *_with_tag(database, "control", "class_downweight")]
    # One for each seed.
    masks = [run for run in _with_tag(database, "kind", "trial") if _variant(database, run).startswith(_COPIED)]
    names = [f"big-{index}" for index in range(sweeps)]
    copies: list[Copy] = []
    for name in names:
        own = Copy(_new_id(), parent, "", name, -1, "")
        originals = [*controls, *(masks[index % len(masks)] for index in range(trials - len(controls)))]
        # One setting for as many trials as there are seeds.
        alphas = [""] * len(controls) + [f"{rng.random():.6f}" for _ in range(trials) for _ in masks]
        children = [
            Copy(_new_id(), of, own.run_id, name, number, alpha)
            for number, (of, alpha) in enumerate(
                zip(originals, _repeated(alphas, len(controls), len(masks)), strict=False)
            )
        ]
        copies += [own, *children]
    _copy_rows(database, copies)
    _copy_files(root / "mlruns", copies, rng, untouched={parent, *controls})
    return names


def _repeated(alphas: Sequence[str], n_controls: int, n_seeds: int) -> Iterator[str]:
    """The settings of the controls, then each of the others once for every seed."""
    yield from alphas[:n_controls]
    for alpha in alphas[n_controls:]:
        yield from [alpha] * n_seeds


def _new_id() -> str:
    return uuid.uuid4().hex


def _with_tag(database: sqlite3.Connection, name: str, value: str) -> list[str]:
    """Runs in the order of their trials."""
    found = database.execute(
        "SELECT run_uuid FROM tags JOIN runs USING (run_uuid) WHERE key = ? AND value = ? ORDER BY start_time",
        (f"fnmask.{name}", value),
    )
    return [run_id for (run_id,) in found]


def _variant(database: sqlite3.Connection, run_id: str) -> str:
    found = database.execute("SELECT value FROM tags WHERE key = 'fnmask.variant' AND run_uuid = ?", [run_id])
    return str(found.fetchone()[0])


def _copy_rows(database: sqlite3.Connection, copies: Sequence[Copy]) -> None:
    """Rows of runs, and of all that belongs to them."""
    database.executescript("""
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = OFF;
        PRAGMA cache_size = -500000;
        CREATE TEMPORARY TABLE copies (run_uuid TEXT, original TEXT, sweep TEXT, study TEXT, trial INTEGER, alpha TEXT);
    """)
    database.executemany(
        "INSERT INTO copies VALUES (?, ?, ?, ?, ?, ?)",
        [(one.run_id, one.of, one.sweep, one.study, one.trial, one.alpha) for one in copies],
    )
    own = {
        "runs": {
            "run_uuid": "copies.run_uuid",
            # A sweep that was begun later is listed before.
            "start_time": "start_time + 1000 + copies.rowid",
            "end_time": "end_time + 1000 + copies.rowid",
            "artifact_uri": "replace(artifact_uri, original, copies.run_uuid)",
            "name": "CASE WHEN trial < 0 THEN study WHEN alpha = '' THEN name "
            "ELSE 'soften_fn road alpha=' || alpha || ' power=1' END",
        }
    }
    own |= {table: {"run_uuid": "copies.run_uuid"} for table in _OF_A_RUN}
    own["params"]["value"] = "CASE WHEN key = 'loss.alpha' AND alpha <> '' THEN alpha ELSE value END"
    own["tags"]["value"] = """
        CASE key WHEN 'fnmask.study' THEN study
                 WHEN 'fnmask.sweep' THEN sweep
                 WHEN 'mlflow.parentRunId' THEN sweep
                 WHEN 'fnmask.trial' THEN CASE WHEN trial < 0 THEN value ELSE trial END
                 WHEN 'fnmask.variant' THEN CASE alpha WHEN '' THEN value
                      ELSE 'soften_fn road alpha=' || alpha || ' power=1' END
                 ELSE value END"""
    own["inputs"] = {"input_uuid": "lower(hex(randomblob(16)))", "destination_id": "copies.run_uuid"}
    for table, changes in own.items():
        columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
        key = "destination_id" if table == "inputs" else "run_uuid"
        wanted = ", ".join(changes.get(name, f'{table}."{name}"') for name in columns)
        database.execute(f"""
            INSERT INTO {table} ({", ".join(f'"{name}"' for name in columns)})
            SELECT {wanted} FROM copies JOIN {table} ON {table}.{key} = copies.original
        """)
    database.execute("""
        INSERT INTO input_tags (input_uuid, name, value)
        SELECT made.input_uuid, input_tags.name, input_tags.value
        FROM copies
        JOIN inputs AS made ON made.destination_id = copies.run_uuid
        JOIN inputs AS first ON first.destination_id = copies.original AND first.source_id = made.source_id
        JOIN input_tags ON input_tags.input_uuid = first.input_uuid
    """)
    database.commit()
    database.execute("ANALYZE")
    database.close()


def _copy_files(mlruns: Path, copies: Sequence[Copy], rng: np.random.Generator, *, untouched: set[str]) -> None:
    """Files of the runs; those of sweeps are few."""
    folders = {path.name: path / "artifacts" for path in mlruns.glob("*/*") if (path / "artifacts").is_dir()}
    for one in copies:
        if one.trial < 0:
            continue
        source, aim = folders[one.of], folders[one.of].parents[1] / one.run_id / "artifacts"
        for path in source.rglob("*"):
            place = aim / path.relative_to(source)
            if path.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            elif one.of in untouched or str(path.relative_to(source)) not in _CONFUSIONS:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, place)
        if one.of not in untouched:
            for name in _CONFUSIONS:
                (aim / name).write_bytes(_other_matrices((source / name).read_bytes(), rng))


def _other_matrices(content: bytes, rng: np.random.Generator) -> bytes:
    """The same pixels of each class, some of them called by another name."""
    matrices, ids = unpack_confusion(content)
    moved = rng.binomial(matrices, 0.1 * rng.random())
    shares = matrices.sum(axis=(0, 1)) / matrices.sum()
    again = rng.multinomial(moved.sum(axis=2), shares)
    return pack_confusion((matrices - moved + again).astype(np.int64), ids)
