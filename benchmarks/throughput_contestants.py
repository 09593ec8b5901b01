"""The harnesses of `benchmarks.throughput`, how each is started, and what each left."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from fnmask.data.aerial import Aerial

ROOT = Path(__file__).parents[1]
_RIVALS = ROOT / ".venv-rivals" / "keras" / "bin" / "python"


@dataclass(frozen=True)
class Contestant:
    """A harness.

    Attributes:
        name: in tables.
        arguments: of its Python, for a request.
        log_models: whether autologging keeps the model, as it does by default.
        targets: how many times as long as ours it is to take, with our shared steps and without.
        is_ours: whether it is fnmask.
    """

    name: str
    arguments: Callable[[Mapping[str, Any]], Sequence[str]]
    log_models: bool = False
    targets: tuple[int, int] | None = None
    is_ours: bool = False

    @property
    def slug(self) -> str:
        """The name for a folder."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)

    @property
    def python(self) -> Path:
        """Ours, or the one that `make throughput-rivals` has made for the others."""
        return Path(sys.executable) if self.is_ours else _RIVALS

    @property
    def is_there(self) -> bool:
        """Whether its Python is there."""
        return self.python.exists()

    def command(self, request: Mapping[str, Any]) -> list[str]:
        """The whole command."""
        return [str(self.python), *self.arguments(request)]


@dataclass(frozen=True)
class Outcome:
    """What a run took.

    Attributes:
        n_trials: that it ran.
        wall_s: seconds of the whole command.
        peak_mib: most memory of all its processes.
        warm_trials_s: seconds from the end of a trial to the end of the next, of each after the first.
        in_steps: share of the wall time in training and validation steps.
        in_steps_warm: the same from the end of the first trial to the end of the last one.
    """

    n_trials: int
    wall_s: float
    peak_mib: float
    warm_trials_s: Sequence[float]
    in_steps: float
    in_steps_warm: float

    @property
    def warm_trial_s(self) -> float:
        """The median."""
        return median(self.warm_trials_s)

    def scaled(self, n_trials: int) -> "Outcome":
        """The same of a longer run, whose trials take as long as the median of those that there are."""
        more = n_trials - self.n_trials
        wall_s = self.wall_s + more * self.warm_trial_s
        # Its steps in a trial are the same everywhere.
        in_steps = self.in_steps * self.wall_s / self.n_trials * n_trials / wall_s
        return replace(self, n_trials=n_trials, wall_s=wall_s, in_steps=in_steps) if more > 0 else self


def read_outcome(contestant: Contestant, folder: Path, n_trials: int, *, wall_s: float, peak_mib: float) -> Outcome:
    """What a contestant left in its folder.

    Raises:
        RuntimeError: not every trial has ended; or there is one only.
    """
    trials = _our_trials(folder) if contestant.is_ours else _their_trials(folder)
    if len(trials) != n_trials:
        raise RuntimeError(f"{contestant.name}: {len(trials)} of {n_trials} trials in {folder}.")
    ends_s, steps_s = [end_s for end_s, _ in trials], [own_s for _, own_s in trials]
    gaps_s = [after - before for before, after in pairwise(ends_s)]
    return Outcome(
        n_trials=n_trials,
        wall_s=wall_s,
        peak_mib=peak_mib,
        warm_trials_s=gaps_s,
        in_steps=sum(steps_s) / wall_s,
        in_steps_warm=sum(steps_s[1:]) / sum(gaps_s),
    )


def _their_trials(folder: Path) -> list[tuple[float, float]]:
    """When each ended, and its seconds in steps, in the order of their ends."""
    told = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    return sorted((trial["end_s"], trial["steps_s"]) for trial in told)


def _our_trials(folder: Path) -> list[tuple[float, float]]:
    from fnmask.tracking.mlflow_store import MlflowStore

    store = MlflowStore(folder, "fnmask", create=False)
    runs = store.runs(store.find_sweep().run_id)
    steps = ("engine/steps_s", "engine/evaluation_s")
    return sorted(((run.end_ms or 0) / 1e3, sum(run.metrics[key] for key in steps)) for run in runs)


def our_arguments(request: Mapping[str, Any], *, share: bool) -> list[str]:
    """Of `train.py`, for a sweep over the masks of a request."""
    masks, size = request["trials"], request["size_px"]
    network = request["network"]
    backbone = ["backbone=tiny"] if network == "tiny" else ["backbone=unet", f"backbone.encoder={network}"]
    targets = ",".join(dict.fromkeys(Aerial.class_names[mask["target"]] for mask in masks))
    alphas = ",".join(str(alpha) for alpha in dict.fromkeys(mask["alpha"] for mask in masks))
    return [
        *("--multirun", f"root={request['folder']}", *backbone, f"trainer.share_steps={share}"),
        *("dataset=aerial", f"dataset.size_px={size}", f"dataset.image_size=[{size},{size}]"),
        *("dataset.crop_size=null", f"dataset.n_train={request['n_train']}"),
        *(f"dataset.n_val={request['n_val']}", "dataset.n_test=1", "trainer.test=false"),
        *("loss=attenuate_fn", f"loss.target=choice({targets})", f"loss.alpha=choice({alphas})"),
        *(f"loss.warmup_epochs={request['epochs'] // 2}", "loss.ramp_epochs=0"),
        *("optimizer=adam", "optimizer.learning_rate=1e-3", "optimizer.schedule=constant"),
        *(f"trainer.epochs={request['epochs']}", f"trainer.steps_per_epoch={request['steps_per_epoch']}"),
        *(f"trainer.batch_size={request['batch_size']}", f"trainer.eval_batch_size={request['batch_size']}"),
        *("study.sampler=grid", f"study.n_trials={len(masks)}", "study.controls={}", "study.best_known=false"),
        *("study.directions={val/miou:maximize}", "study.name=throughput"),
    ]


def _ours(*, share: bool) -> Callable[[Mapping[str, Any]], Sequence[str]]:
    return lambda request: ["train.py", *our_arguments(request, share=share)]


def _module(name: str) -> Callable[[Mapping[str, Any]], Sequence[str]]:
    return lambda request: ["-m", f"benchmarks.{name}"]


def _hydra(request: Mapping[str, Any]) -> Sequence[str]:
    masks = ",".join(map(str, range(len(request["trials"]))))
    return [
        *("-m", "benchmarks.throughput_hydra", "--multirun", f"+mask={masks}", "hydra/launcher=submitit_local"),
        # One job at a time, in a process of its own.
        *("hydra.sweeper.max_batch_size=1", "hydra.launcher.timeout_min=600"),
    ]


CONTESTANTS = (
    Contestant("fnmask", _ours(share=True), is_ours=True),
    Contestant("fnmask, no shared steps", _ours(share=False), is_ours=True),
    Contestant("Optuna, compile and fit, no models logged", _module("throughput_optuna"), targets=(5, 3)),
    Contestant("Optuna, compile and fit", _module("throughput_optuna"), log_models=True, targets=(8, 5)),
    Contestant("KerasTuner", _module("throughput_tuner"), targets=(6, 4)),
    Contestant("Ray Tune, an actor per trial", _module("throughput_ray"), targets=(6, 4)),
    Contestant("Hydra multirun, a process per job", _hydra, targets=(10, 6)),
)
