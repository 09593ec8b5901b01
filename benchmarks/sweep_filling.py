"""Studies and tracking stores that have held thousands of trials, made in seconds.

Asking Optuna to take over finished trials costs about 30 ms for each of them, and MLflow takes longer still. So rows
are copied in the databases themselves: every synthetic trial is a copy of a real one that the worker has left, with
parameters, score and run of its own; every synthetic run is a copy of a real run, down to its last metric.
"""

import json
import random
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, MetaData, RowMapping, Table, create_engine, func, insert, select, text

from benchmarks.rivals_common import score_of
from fnmask.sweep.study import RUN_ID

_OF_A_TRIAL = ("trial_params", "trial_values", "trial_intermediate_values", "trial_user_attributes", "trial_heartbeats")
_OF_A_RUN = ("metrics", "latest_metrics", "params", "tags")


def fill_study(storage: str, wanted: int, *, seed: int = 0) -> None:
    """Copies the last trial of a database's only study until the study holds as many as wanted.

    Args:
        storage: address of the database.
        wanted: trials.
        seed: of the parameters of the copies.
    """
    engine, metadata, draws = create_engine(storage), MetaData(), random.Random(seed)
    metadata.reflect(engine, only=["trials", *_OF_A_TRIAL])
    with engine.begin() as connection:
        trials = metadata.tables["trials"]
        template = connection.execute(select(trials).order_by(trials.c.trial_id.desc()).limit(1)).mappings().one()
        n_known = connection.execute(select(func.count()).select_from(trials)).scalar_one()
        new = [_without_key(trials, template) | {"number": number} for number in range(n_known, wanted)]
        if not new:
            return
        connection.execute(insert(trials), new)
        ids = connection.execute(select(trials.c.trial_id).where(trials.c.number >= n_known)).scalars().all()
        drawn = {trial_id: (draws.random(), 10 ** draws.uniform(-4, -2)) for trial_id in ids}
        for name in _OF_A_TRIAL:
            table = metadata.tables[name]
            own = connection.execute(select(table).where(table.c.trial_id == template["trial_id"])).mappings().all()
            rows = [
                _without_key(table, row) | _changes(row, *drawn[id_]) | {"trial_id": id_} for id_ in ids for row in own
            ]
            connection.execute(insert(table), rows)
    _tidy(engine.connect())
    engine.dispose()


def fill_runs(tracking: str, wanted: int) -> None:
    """Copies the last run of an MLflow database until the database holds as many as wanted.

    Args:
        tracking: address of the database.
        wanted: runs.
    """
    engine, metadata = create_engine(tracking), MetaData()
    metadata.reflect(engine, only=["runs", *_OF_A_RUN])
    with engine.begin() as connection:
        runs = metadata.tables["runs"]
        template = connection.execute(select(runs).order_by(runs.c.start_time.desc()).limit(1)).mappings().one()
        n_known = connection.execute(select(func.count()).select_from(runs)).scalar_one()
        ids = [uuid.uuid4().hex for _ in range(n_known, wanted)]
        if not ids:
            return
        connection.execute(insert(runs), [{**template, "run_uuid": id_} for id_ in ids])
        connection.execute(text("CREATE TEMPORARY TABLE copies (run_uuid VARCHAR(32))"))
        connection.execute(text("INSERT INTO copies VALUES (:id)"), [{"id": id_} for id_ in ids])
        for name in _OF_A_RUN:
            columns = [f'"{column.name}"' for column in metadata.tables[name].columns if column.name != "run_uuid"]
            statement = f"""
                INSERT INTO {name} ({", ".join(columns)}, run_uuid)
                SELECT {", ".join(f"own.{column}" for column in columns)}, copies.run_uuid
                FROM (SELECT * FROM {name} WHERE run_uuid = :template) AS own CROSS JOIN copies
            """
            connection.execute(text(statement), {"template": template["run_uuid"]})
        connection.execute(text("DROP TABLE copies"))
    _tidy(engine.connect())
    engine.dispose()


def _without_key(table: Table, row: RowMapping) -> dict[str, Any]:
    """The row without its number, which the database gives."""
    keys = {column.name for column in table.primary_key}
    return {key: value for key, value in row.items() if key not in keys}


def _changes(row: RowMapping, alpha: float, rate: float) -> Mapping[str, Any]:
    """What a copy has of its own."""
    if "param_name" in row:
        return {"param_value": alpha if row["param_name"] == "loss.alpha" else rate}
    if "value" in row:
        return {"value": score_of(alpha)}
    if "intermediate_value" in row:
        return {"intermediate_value": score_of(alpha)}
    return {"value_json": json.dumps(uuid.uuid4().hex)} if row.get("key") == RUN_ID else {}


def _tidy(connection: Connection) -> None:
    """What a database does by itself, some time after so many rows were added."""
    with connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
