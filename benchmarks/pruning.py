"""What the rule for several objectives would have saved and lost in sweeps that were run without it.

    python -m benchmarks.pruning ROOT STUDY [STUDY ...]

Replays the learning curves of a finished study, trial by trial in their order: each is given up at the epoch at which
the rule would have ended it, judged against the trials that were finished before. A trial that is given up is no rival
for later ones. Controls are never given up.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna

from benchmarks.tables import table
from fnmask.sweep.dominance import Curve, DominanceRule, Scores, hypervolume, pareto_front, to_scores
from fnmask.sweep.study import CONTROL, CURVE, FINGERPRINT, RUN_ID, outcome_of
from fnmask.tracking.mlflow_store import MlflowStore

MARGINS_POINTS = (0.5, 1.0, 2.0, 4.0)
PATIENCES_EPOCHS = (1, 2, 3)
STARTUP_TRIALS = 5


@dataclass(frozen=True)
class Finished:
    """A trial that was trained to its end.

    Attributes:
        curve: scores of every epoch.
        scores: of the last one.
        first_epoch: after which it may be given up: the mask is at full strength.
        is_control: never given up.
    """

    curve: Curve
    scores: Scores
    first_epoch: float
    is_control: bool


@dataclass(frozen=True)
class Replay:
    """What a rule would have done.

    Attributes:
        given_up: share of the trials that are no controls.
        saved: share of all epochs that would not have been trained.
        lost_front: trials of the final front that would have been given up, of so many.
        lost_volume: share of the front's hypervolume, above the worst score in each objective, that they alone hold.
    """

    given_up: float
    saved: float
    lost_front: tuple[int, int]
    lost_volume: float


def replay(trials: Sequence[Finished], rule: DominanceRule) -> Replay:
    """Run the rule over finished trials, in the order in which they began."""
    kept: list[int] = []
    epochs_left = 0
    for place, trial in enumerate(trials):
        rivals = [(trials[other].curve, trials[other].scores) for other in kept]
        ended = None if trial.is_control else _epoch_of_end(trial, rivals, rule)
        if ended is None:
            kept.append(place)
        else:
            epochs_left += len(trial.curve) - ended
    front = pareto_front([trial.scores for trial in trials])
    worst = [min(column) for column in zip(*(trial.scores for trial in trials), strict=True)]
    whole = hypervolume([trials[place].scores for place in front], worst)
    remaining = hypervolume([trials[place].scores for place in kept], worst)
    n_searched = sum(not trial.is_control for trial in trials)
    return Replay(
        given_up=(len(trials) - len(kept)) / max(1, n_searched),
        saved=epochs_left / sum(len(trial.curve) for trial in trials),
        lost_front=(len(set(front) - set(kept)), len(front)),
        # Rounding must not make it a gain.
        lost_volume=max(0.0, 1 - remaining / whole) if whole else 0.0,
    )


def _epoch_of_end(trial: Finished, rivals: Sequence[tuple[Curve, Scores]], rule: DominanceRule) -> int | None:
    """The epoch at which the trial is given up; the first that counts is after the mask is at full strength."""
    for epoch in sorted(trial.curve)[:-1]:
        seen = {past: scores for past, scores in trial.curve.items() if trial.first_epoch <= past - 1 < epoch}
        if seen and rule.is_given_up(seen, rivals):
            return epoch
    return None


def load(root: Path, name: str) -> list[Finished]:
    """Finished trials of a study, in the order of their numbers."""
    study = optuna.load_study(study_name=name, storage=f"sqlite:///{root / 'mlruns' / 'optuna.db'}")
    directions: Mapping[str, str] = study.user_attrs[FINGERPRINT]["directions"]
    store = MlflowStore(root, "fnmask", create=False)
    params = {run.run_id: run.params for run in store.runs(store.find_sweep(name).run_id)}
    found = []
    for trial in study.get_trials(deepcopy=False):
        if outcome_of(trial) == "complete":
            settings = params[trial.user_attrs[RUN_ID]]
            first = float(settings.get("loss.warmup_epochs", 0)) + float(settings.get("loss.ramp_epochs", 0))
            curve = {int(epoch): to_scores(values, directions) for epoch, *values in trial.user_attrs[CURVE]}
            scores = to_scores(trial.values, directions)
            found.append(Finished(curve, scores, first, CONTROL in trial.user_attrs))
    return found


def main() -> None:
    """Print a table for every study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="project root: the folder with mlflow.db and mlruns/")
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="names of studies with several objectives")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    header = ("margin, points", "patience, epochs", "given up", "epochs saved", "of the front lost", "hypervolume lost")
    for name in arguments.studies:
        trials = load(arguments.root, name)
        rows = []
        for margin in MARGINS_POINTS:
            for patience in PATIENCES_EPOCHS:
                found = replay(trials, DominanceRule(margin, patience, STARTUP_TRIALS))
                lost, front = found.lost_front
                rows.append(
                    (
                        *(f"{margin:g}", str(patience), f"{found.given_up:.0%}", f"{found.saved:.0%}"),
                        *(f"{lost} of {front}", f"{found.lost_volume:.1%}"),
                    )
                )
        epochs = max(len(trial.curve) for trial in trials)
        epochs, n_controls = max(len(trial.curve) for trial in trials), sum(trial.is_control for trial in trials)
        print(f"{name}: {len(trials)} trials of {epochs} epochs, {n_controls} of them controls\n")
        print("\n".join(table(header, rows)), end="\n\n")


if __name__ == "__main__":
    main()
