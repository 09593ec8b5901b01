"""Sweeps written to a real store, with confusion matrices small enough to work out by hand."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from fnmask.tracking.artifacts import CLASSES, ClassList, confusion_name, pack_classes, pack_confusion
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.records import DatasetRecord

NAMES = ("land", "road", "car")
CLASS_LIST = ClassList(NAMES, ((10, 90, 20), (200, 60, 60), (40, 60, 220)), 255)

# [true, predicted]. IoU by hand: land 80/110, road 40/80, car 40/50; road precision 40/70, recall 40/50.
PLAIN = [[80, 20, 0], [10, 40, 0], [0, 10, 40]]
# Land 95/120, road 30/55, car 50/50; road precision 30/35, recall 30/50.
SOFT = [[95, 5, 0], [20, 30, 0], [0, 0, 50]]

AddTrial = Callable[..., str]


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def store(tmp_path: Path, empty_mlflow: bytes) -> MlflowStore:
    (tmp_path / "mlflow.db").write_bytes(empty_mlflow)
    return MlflowStore(tmp_path, "fnmask")


@pytest.fixture
def add_trial(store: MlflowStore) -> AddTrial:
    """A function that adds one trial to a sweep and returns its run id."""

    def add(
        parent: str | None,
        number: int,
        variant: str,
        test: list[list[int]],
        *,
        seed: int = 0,
        control: str = "",
        targets: str = "road",
        outcome: str = "complete",
        splits: tuple[str, ...] = ("val", "test"),
        classes: ClassList = CLASS_LIST,
        params: Mapping[str, object] | None = None,
        reference: str = "",
    ) -> str:
        tracker = store.start_run(
            name=f"trial {number}",
            parent_run_id=parent,
            params={"trainer": {"epochs": 3}, "seed": seed, **(params or {})},
            tags={
                "fnmask.kind": "trial",
                "fnmask.trial": str(number),
                "fnmask.variant": variant,
                "fnmask.control": control,
                "fnmask.seed": str(seed),
                "fnmask.targets": "" if control == "plain" else targets,
                "fnmask.reference": reference or f"ref{seed}",
            },
            datasets=[DatasetRecord("toy", "ab" * 32, split, "made up", 2) for split in splits],
        )
        tracker.log_artifact(CLASSES, pack_classes(classes))
        for split in splits:
            # Two images, so that a reader which took the first one only would be found out.
            total = np.array(test) if split == "test" else np.array(PLAIN)
            first = total // 3
            matrices = np.stack([first, total - first]).astype(np.int64)
            tracker.log_artifact(confusion_name(split), pack_confusion(matrices, ["a", "b"]))
        tracker.finish(outcome)
        return tracker.run_id

    return add
