"""No password of a database reaches a run."""

import pytest

from fnmask.tracking.passwords import hide_passwords


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://ann:secret@host:5432/trials", "postgresql://ann:***@host:5432/trials"),
        ("postgresql+psycopg2://ann:a%40b@host/trials", "postgresql+psycopg2://ann:***@host/trials"),
        ("postgresql://host/trials?user=ann&password=secret", "postgresql://host/trials?user=ann"),
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("postgresql://ann:secret@host:port/trials", "***"),
        ("postgresql://ann@host/trials", "postgresql://ann@host/trials"),
        ("sqlite:////project/mlruns/optuna.db", "sqlite:////project/mlruns/optuna.db"),
        ("median_frequency", "median_frequency"),
    ],
)
def test_addresses(given: str, shown: str) -> None:
    assert hide_passwords({"study": {"storage": given, "others": [given, 1, None]}, "seed": 0}) == {
        "study": {"storage": shown, "others": [shown, 1, None]},
        "seed": 0,
    }
