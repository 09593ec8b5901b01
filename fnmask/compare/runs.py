"""A sweep and its finished trials as plain values: what a comparison is made of."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.tracking.artifacts import ClassList, FrontierFile
from fnmask.tracking.records import DatasetRecord, RunRecord

SPLITS = ("test", "val")

# What variants are ranked by unless something else is asked for.
GAIN = "others_gain"
# Where less is better.
LESS_IS_BETTER = ("target_cost",)

Loss = Literal["plain", "downweight", "mask", "threshold"]


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes:
        run_id: its run in the store.
        number: trial number; -1 for a run outside a sweep.
        variant: label of the loss variant and the weighting, the same over seeds.
        control: name of the control, such as `"plain"` or `"class_downweight"`; `""` for a trial of the search, which
            may have the loss of a control too.
        loss: `"plain"`, `"downweight"` when all pixels of the target weigh less, `"threshold"` for a network whose
            threshold was moved after training, `"mask"` for all others.
        seed: of the run.
        targets: names of the classes whose false negatives the loss lets off; empty for plain.
        reference: digest of seed, backbone and data. Trials are compared with the plain control of the same one.
        matrices: by split, `(N, C, C)` int64 pixel counts `[image, true, predicted]`; of thousands of trials read from
            the store whenever they are asked for.
        params: the resolved configuration.
        images: by split, digest of the image ids and of the labels in each.
        masked_fraction: share of the weight of the target's training pixels that the mask took off in the last epoch;
            NaN when not logged.
        duration_s: wall time of the run; NaN while it is open.
        frontiers: by split, what other thresholds on a plain control's logits give; none of any other run.
        totals: by split, the sum of the matrices, where those are not held.
        moves: id of the run whose network it decides for, where a threshold was moved.
        data: name and digest of the training split; empty when not recorded.
    """

    run_id: str
    number: int
    variant: str
    control: str
    loss: Loss
    seed: str
    targets: tuple[str, ...]
    reference: str
    matrices: Mapping[str, NDArray[np.int64]]
    params: Mapping[str, str]
    images: Mapping[str, str] = field(default_factory=dict)
    masked_fraction: float = math.nan
    duration_s: float = math.nan
    frontiers: Mapping[str, FrontierFile] = field(default_factory=dict)
    data: str = ""
    totals: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    moves: str = ""

    def total(self, split: str) -> NDArray[np.int64]:
        """The `(C, C)` confusion matrix of a whole split."""
        if split in self.totals:
            return self.totals[split]
        total: NDArray[np.int64] = self.matrices[split].sum(axis=0)
        return total


@dataclass(frozen=True)
class Sweep:
    """A sweep and its finished trials.

    Attributes:
        record: the parent run; of several sweeps that of the first.
        classes: names and colors of the C classes.
        trials: finished trials in the order of their numbers; of several with the same variant and reference the
            newest only, a control before others.
        baselines: the plain control of each reference, from this sweep or an earlier one.
        outcomes: number of trials by outcome, unfinished ones too.
        datasets: the splits that the trials used.
        others: names of the other sweeps whose trials are compared with this one's.
        where: the filter that the trials were chosen by, empty for all.
        metric: key of the column that variants are ranked by.
        against: the variant that all others are compared with, whose trials have the control `"plain"`; empty for the
            plain control itself.
        plain: the plain control of each reference, where others are compared with another variant.
        n_without_files: finished trials that are left out because their files are gone.
        notes: on what could not be compared, or not with all: which trials, and why.
        experiment: of MLflow, that holds the sweep.
    """

    record: RunRecord
    classes: ClassList
    trials: tuple[Trial, ...]
    baselines: Mapping[str, Trial]
    outcomes: Mapping[str, int]
    datasets: tuple[DatasetRecord, ...]
    others: tuple[str, ...] = ()
    where: str = ""
    metric: str = GAIN
    against: str = ""
    plain: Mapping[str, Trial] = field(default_factory=dict)
    n_without_files: int = 0
    notes: tuple[str, ...] = ()
    experiment: str = "fnmask"

    @functools.cached_property
    def all_trials(self) -> tuple[Trial, ...]:
        """The trials, and the controls from earlier sweeps that they are compared with."""
        return tuple({one.run_id: one for one in (*self.baselines.values(), *self.trials)}.values())

    @property
    def experiment_words(self) -> tuple[str, ...]:
        """What names the experiment on a command line."""
        return () if self.experiment == "fnmask" else ("--experiment", self.experiment)

    @property
    def plain_controls(self) -> Mapping[str, Trial]:
        """The plain control of each reference, whatever is compared with."""
        return self.plain or self.baselines

    @property
    def compared_with(self) -> str:
        """What differences are taken against, in words."""
        return self.against or "the plain control"

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names."""
        return self.classes.names

    @property
    def study(self) -> str:
        """Name of the study, or of all of them."""
        return " + ".join([self.record.tag("study") or self.record.name, *self.others])

    @functools.cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that every trial and control has, the main one first: test when there, else val."""
        return tuple(split for split in SPLITS if all(split in trial.matrices for trial in self.all_trials))

    @functools.cached_property
    def shared_params(self) -> dict[str, str]:
        """The settings that have one value in all trials."""
        first, *others = (trial.params for trial in self.trials)
        return {key: text for key, text in first.items() if all(params.get(key) == text for params in others)}

    @functools.cached_property
    def only_targets(self) -> tuple[str, ...]:
        """The targets of the sweep when all its trials share them, else empty.

        A threshold that was moved for other classes asks nothing of the rest.
        """
        trained = {trial.targets for trial in self.trials if trial.targets and trial.loss != "threshold"}
        found = trained or {trial.targets for trial in self.trials if trial.targets}
        return found.pop() if len(found) == 1 else ()
