"""Differences to the plain control, and how sure they are: over seeds and over images, for a whole page at once.

    difference   mean over the seeds s that both have of  reading(variant, s) - reading(plain, s)
    variance     V = V_seeds + max(0, V_images - V_both)

`V_seeds` is that of the mean over seeds (`fnmask.compare.seed_noise`), `V_images` that of the same mean over resampled
images (`fnmask.compare.resampling`). Noise that belongs to one seed and one image is in both, so it is taken off once:

    V_both = (mean over seeds of V_images of one seed - V_images of the mean) / (S - 1)

The interval is  difference -+ t sqrt(V),  t the mean of the quantiles t(1 - 0.025 / m, df) of the two parts, weighted
by them (Cochran and Cox). Satterthwaite's degrees of freedom would take a part that came out small by chance for
a sure one, and raise more false alarms than promised. m is 1 for a difference looked at alone; for the
page m counts all its differences (Bonferroni), so that in 95 of 100 pages all intervals hold at once. Resampling seeds
instead would need more of them than anybody trains: three can only be drawn in ten ways. With one seed V_seeds is
unknown: the interval is over images only, and says nothing about another training.

Sources: X. Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, MLSys 2021; A. Owen, The
pigeonhole bootstrap, Annals of Applied Statistics 1(2), 2007, for the noise that is counted twice; W. Cochran and
G. Cox, Experimental Designs, 2nd edition, 1957, section 4.14.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from fnmask.compare.columns import TARGET_COLUMNS, measured_columns, reader
from fnmask.compare.resampling import N_RESAMPLES, ImageNoise, image_counts, image_noise, read_counts
from fnmask.compare.seed_noise import seed_noise

FloatArray = NDArray[np.float64]

ERROR_RATE = 0.05
LEAST_DF = 2.0 - 1e-9


@dataclass(frozen=True)
class Difference:
    """A difference to the control, in the unit of the reading.

    Attributes:
        mean: over seeds; NaN when it is not defined.
        parts: variance of the mean and its degrees of freedom: over images, then over seeds.
        n_seeds: that both have.
    """

    mean: float = math.nan
    parts: tuple[tuple[float, float], ...] = ()
    n_seeds: int = 0

    @property
    def standard_error(self) -> float:
        """The square root of the variance of the mean; NaN when it is unknown."""
        return math.sqrt(sum(variance for variance, _ in self.parts)) if self.parts else math.nan

    @property
    def is_measured(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.mean) and self.standard_error > 0

    def half_width(self, comparisons: int = 1) -> float:
        """Half the width of the 95 % interval, for one of so many differences; NaN when there is none."""
        if not self.is_measured:
            return math.nan
        tail = ERROR_RATE / 2 / comparisons
        # Student's distribution is symmetric. `scipy.stats` holds the same, and takes a second to load.
        weighted = sum(-variance * float(stdtrit(df, tail)) for variance, df in self.parts if variance > 0)
        return weighted / self.standard_error

    def interval(self, comparisons: int = 1) -> tuple[float, float]:
        """The 95 % interval, for one of so many differences; NaN when there is none."""
        half = self.half_width(comparisons)
        return self.mean - half, self.mean + half

    def stands_out(self, comparisons: int) -> bool:
        """Whether the interval, over seeds too, excludes 0."""
        return self.knows_seeds and abs(self.mean) > self.half_width(comparisons)

    @property
    def knows_seeds(self) -> bool:
        """Whether the noise over seeds is known: of a single degree of freedom no quantile holds what it promises."""
        return self.is_measured and self.n_seeds > 1 and min(df for _, df in self.parts[1:]) >= LEAST_DF


@dataclass(frozen=True)
class Group:
    """The runs of one variant.

    Attributes:
        targets: class indices that its target columns are read for.
        matrices: confusion matrices per image, `(N, C, C)`, by block: what is paired, such as seed and backbone.
    """

    targets: tuple[int, ...]
    matrices: Mapping[str, NDArray[np.int64]]


def differences(
    groups: Sequence[Group],
    controls: Mapping[str, NDArray[np.int64]],
    class_names: Sequence[str],
    *,
    resamples: int = N_RESAMPLES,
) -> list[dict[str, Difference]]:
    """Every variant against the control.

    Args:
        groups: the variants. All matrices are of the same images in the same order.
        controls: matrices of the plain control, by block.
        class_names: C names.
        resamples: of the images.

    Returns:
        One mapping for each variant, by the keys of `measured_columns`; empty for a variant that shares no block with
        the control.
    """
    keys = list(measured_columns(class_names))
    counts = {f"{index}/{block}": image_counts(own) for index, group in enumerate(groups) for block, own in
              group.matrices.items() if block in controls}  # fmt: skip
    counts |= {f"plain/{block}": image_counts(own) for block, own in controls.items()}
    pairs = [[(f"{index}/{block}", f"plain/{block}") for block in group.matrices if block in controls]
             for index, group in enumerate(groups)]  # fmt: skip
    paired = [index for index, own in enumerate(pairs) if own]
    reads = [reader(group.targets) for group in groups]
    noises = image_noise([pairs[index] for index in paired], [reads[index] for index in paired], counts,
                         resamples=resamples)  # fmt: skip
    images = dict(zip(paired, noises, strict=True))
    totals = {key: own.sum(axis=0) for key, own in counts.items()}
    n_images = len(next(iter(counts.values()))) if counts else 0
    found: list[dict[str, Difference]] = [{} for _ in groups]
    for column, key in enumerate(keys):
        for members in _compared_together(groups, paired, by_target=key in TARGET_COLUMNS):
            told = [
                {block: float(read_counts(totals[f"{index}/{block}"], reads[index])[column])
                 for block in groups[index].matrices if block in controls}
                for index in members
            ]  # fmt: skip
            plain = {block: float(read_counts(totals[f"plain/{block}"], reads[members[0]])[column])
                     for block in controls}  # fmt: skip
            for index, difference in zip(members, _of_column(told, plain, [images[index] for index in members],
                                                             column, n_images), strict=True):  # fmt: skip
                found[index][key] = difference
    return found


def _compared_together(groups: Sequence[Group], paired: Sequence[int], *, by_target: bool) -> list[list[int]]:
    """The variants that lend each other their noise: readings of another target are other readings."""
    together: dict[tuple[int, ...], list[int]] = {}
    for index in paired:
        together.setdefault(groups[index].targets if by_target else (), []).append(index)
    return list(together.values())


def _of_column(
    told: Sequence[Mapping[str, float]],
    plain: Mapping[str, float],
    images: Sequence[ImageNoise],
    column: int,
    n_images: int,
) -> list[Difference]:
    """One reading of several variants, each by block, against the control's."""
    blocks = list(plain)
    readings = np.array([[row.get(block, math.nan) for block in blocks] for row in (plain, *told)])
    noise = seed_noise(readings)
    found = []
    for row, image in enumerate(images, start=1):
        paired = readings[row] - readings[0]
        paired = paired[~np.isnan(paired)]
        n_seeds = len(paired)
        if not n_seeds:
            found.append(Difference())
            continue
        of_images = float(image.of_mean[column])
        of_seeds, seeds_df = (0.0, 0.0)
        if n_seeds > 1:
            of_seeds, seeds_df = noise.of_difference(row, 0, n_seeds)
            of_both = max(0.0, float(image.of_each[column]) - of_images) / (n_seeds - 1)
            of_images = of_images - of_both if not of_images <= of_both else 0.0  # NaN stays
        parts = ((of_images, float(max(1, n_images - 1))), (of_seeds, seeds_df))
        found.append(Difference(float(paired.mean()), parts, n_seeds))
    return found
