"""`train.py +from_run=RUN_ID`: a run again from what the store kept of it, and whether the result agrees."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from fnmask.binding import ConfigError
from fnmask.config import NODES, SINGLE_RUN, TrialConfig, check
from fnmask.result import Result
from fnmask.tracking.artifacts import CONFIG, confusion_name, unpack_confusion
from fnmask.tracking.lineage import PACKAGES, code_digest, code_revision, lineage_params
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.records import ExperimentNotFoundError, RunNotFoundError, RunRecord

_LOG = logging.getLogger(__name__)

FROM_RUN, ALLOW = SINGLE_RUN

# Of the process that repeats: where it keeps what it does, not what it does.
_OWN = ("root", "tracking", "study")

_DURATIONS = ("warmup_epochs", "ramp_epochs")

# No number of a training depends on these.
_NOT_COMPUTING = ("hydra-core", "optuna", "mlflow")


def read_repeated(
    cfg: DictConfig, overrides: Sequence[str], choices: Mapping[str, str]
) -> tuple[TrialConfig, RunRecord, list[str]]:
    """The config of a run that is to be repeated.

    Args:
        cfg: composed, with `from_run`; and `allow_differences`, to go on where code, data or versions differ.
        overrides: the words of the command line. Settings among them replace those of the run.
        choices: config group -> option chosen.

    Returns:
        The checked config, the run, and the keys of the settings that are replaced. Unless there is one nothing is
        taken over from shared steps, since that would be the result itself.

    Raises:
        ConfigError: no such run; what differs, unless that is allowed; or a word that is no setting of a run.
    """
    allowed = OmegaConf.select(cfg, ALLOW, default=False)
    if not isinstance(allowed, bool):
        raise ConfigError([f"{ALLOW}: got {allowed!r}. It must be true or false."])
    run, node, options = _read(cfg, _typed(overrides) or str(cfg[FROM_RUN] or ""))
    changed = _changed(overrides, choices)
    node = _replace(node, cfg, changed)
    options |= {key: choices[key] for key in changed if key in options}
    if not changed:
        node["trainer"]["share_steps"] = False
    node |= {key: OmegaConf.to_container(cfg[key], resolve=True) if key != "root" else cfg.root for key in _OWN}
    config = check(OmegaConf.create(node), options)
    told = describe_differences(run, config, changed)
    if told and not allowed:
        raise ConfigError([f"{FROM_RUN}: run {run.run_id} was made otherwise.", *told,
                           f"Bring that back, or go on all the same with +{ALLOW}=true."])  # fmt: skip
    for line in told:
        _LOG.warning("Other than in run %s: %s", run.run_id, line)
    for line in _durations_left(run, config, changed):
        _LOG.warning(line)
    return config, run, changed


def _typed(overrides: Sequence[str]) -> str:
    """The id in the letters of the command line: Hydra reads 12e4567890 as infinity and 0012345678 without zeros."""
    words = (text.lstrip("+").partition("=") for text in overrides)
    return next((value.strip("'\"") for key, _, value in words if key == FROM_RUN), "")


def _read(cfg: DictConfig, run_id: str) -> tuple[RunRecord, dict[str, Any], dict[str, str]]:
    """The run, its configuration as plain values, and the options that it was composed of."""
    try:
        store = MlflowStore(Path(cfg.root), cfg.tracking.experiment, create=False)
        run = store.find_run(run_id)
    except (ExperimentNotFoundError, RunNotFoundError) as error:
        # Here the words are Hydra's.
        told = str(error).replace("--experiment NAME", "tracking.experiment=NAME")
        raise ConfigError([f"{FROM_RUN}: {told}"]) from None
    if (
        run.tag("kind") == "sweep"
        or run.tag("model_run")
        or any(own.tag("kind") == "seed" for own in store.runs(run.run_id))
    ):
        raise ConfigError([f"{FROM_RUN}: {run.run_id} is no training of its own. {_instead(store, run)}"])
    if not run.tag("options"):
        raise ConfigError([f"{FROM_RUN}: run {run.run_id} was made by a version that did not keep its options."])
    try:
        node = yaml.safe_load(store.read_artifact(run.run_id, CONFIG))
    except FileNotFoundError as error:
        raise ConfigError([f"{FROM_RUN}: {error} Was mlruns/ deleted or moved?"]) from None
    return run, node, json.loads(run.tag("options"))


def _instead(store: MlflowStore, run: RunRecord) -> str:
    if run.tag("model_run"):
        return f"It moves a threshold of run {run.tag('model_run')}: repeat that one."
    below = [child.run_id for child in store.runs(run.run_id)][:3]
    return f"Give one of the runs below it, such as {', '.join(below) or '(there is none)'}."


def _changed(overrides: Sequence[str], choices: Mapping[str, str]) -> list[str]:
    """Keys of the settings that are replaced, options of groups first."""
    keys = []
    for text in overrides:
        key = text.lstrip("+").partition("=")[0]
        node = key.partition(".")[0]
        if key in (FROM_RUN, ALLOW) or node in _OWN:
            continue
        if node not in NODES or "@" in key or text.startswith("~"):
            raise ConfigError([f"{text}: with {FROM_RUN} give single settings and options, such as trainer.epochs=20."])
        keys.append(key)
    return sorted(keys, key=lambda key: key not in choices)


def _replace(node: Mapping[str, Any], cfg: DictConfig, keys: Sequence[str]) -> dict[str, Any]:
    """The configuration of the run with what the command line gives for some keys."""
    given: Any = OmegaConf.to_container(cfg, resolve=False)
    own = OmegaConf.create(dict(node))
    for key in keys:
        # Unresolved: a warm-up of half the epochs is meant to be half of those of the run.
        name, _, inner = key.partition(".")
        value = given[name]
        for part in filter(None, inner.split(".")):
            value = value[part]
        OmegaConf.update(own, key, value, merge=False, force_add=True)
    replaced: Any = OmegaConf.to_container(own, resolve=True)
    return dict(replaced)


def _durations_left(run: RunRecord, config: TrialConfig, changed: Sequence[str]) -> list[str]:
    """Durations of the loss, which were a share of the epochs and stay as they were when these change."""
    before, now = float(run.params["trainer.epochs"]), config.trainer.epochs
    if before == now or "loss" in changed:
        return []
    # A mask that is switched on too early makes its class vanish.
    keys = {f"loss.{key}": config.resolved["loss"].get(key) for key in _DURATIONS}
    return [
        f"{key}={value:g} stays, with trainer.epochs={now} instead of {before:g}; "
        f"{key}={value * now / before:g} would be the same share."
        for key, value in keys.items()
        if value and key not in changed
    ]


def describe_differences(run: RunRecord, config: TrialConfig, changed: Sequence[str] = ()) -> list[str]:
    """What is not as it was when the run was made: code, data, versions. Nothing about settings.

    Args:
        run: of the store.
        config: that is about to be trained.
        changed: keys of the settings that are replaced: other data are meant, if one of them says which.
    """
    told = []
    # By content: a commit may have changed the page alone, and files need no commit to change.
    if run.tag("code") != code_digest()[:16]:
        then, now = run.tag("commit") or "unknown", code_revision(config.root)
        commits = f"commit {then}, now {now}" if then != now else f"commit {now} then and now, with other changes"
        # Outside a repository nothing is known of either.
        told.append(f"code: the source of fnmask has changed{'' if now == then == 'unknown' else f': {commits}'}.")
    digests = {record.digest for record in run.datasets}
    is_meant = any(key.startswith("dataset") and key != "dataset.root" for key in changed)
    if digests and not is_meant and not any(config.data_digest.startswith(digest) for digest in digests):
        listed = ", ".join(digest[:12] for digest in sorted(digests))
        told.append(f"data: digest {listed}, now {config.data_digest[:12]}.")
    versions = lineage_params()
    for name in ("python", *(name for name in PACKAGES if name not in _NOT_COMPUTING)):
        then, now = run.params.get(f"lineage.{name}", "unknown"), versions[f"lineage.{name}"]
        if then != now:
            told.append(f"version: {name} {then}, now {now}.")
    return told


def describe_agreement(store: MlflowStore, run: RunRecord, config: TrialConfig, result: Result) -> tuple[str, bool]:
    """Whether a repeated run found the same, in words for a person; and whether that is well.

    Returns:
        The sentence, and False where a run that is deterministic has another result.
    """
    told, pixels = [], 0
    for split, found in (("val", result.val), ("test", result.test)):
        try:
            kept, _ = unpack_confusion(store.read_artifact(run.run_id, confusion_name(split)))
        except FileNotFoundError:
            continue
        if found is None or kept.shape != found.shape:
            return f"Cannot be compared with run {run.run_id}: it was measured on other images of {split}.", False
        pixels += int(kept.sum())
        told += _moved(split, kept, found)
    if not pixels:
        return f"Run {run.run_id} has no result to compare with: it did not finish.", True
    if not told:
        return f"Agrees with run {run.run_id}: every pixel is counted as it was, of {pixels} in all.", True
    differs = f"Differs from run {run.run_id}: {'; '.join(told)}."
    if config.trainer.deterministic:
        return f"{differs} Both are deterministic, so something else has changed: hardware, drivers, libraries?", False
    return (
        f"{differs} Without trainer.deterministic=true sums may be added in another order.",
        True,
    )


def _moved(split: str, kept: NDArray[np.int64], found: NDArray[np.int64]) -> list[str]:
    """How far two counts of one split lie apart; nothing where they are equal."""
    from fnmask.metrics.confusion import mean_iou

    if np.array_equal(kept, found):
        return []
    share = np.abs(kept - found).sum() / 2 / max(1, kept.sum())
    before, after = (float(100 * mean_iou(counts.sum(axis=0))) for counts in (kept, found))
    return [f"{split} mIoU {before:.2f} then, {after:.2f} now, at least {100 * share:.2f} % of the pixels elsewhere"]
