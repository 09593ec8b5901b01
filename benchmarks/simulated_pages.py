"""Pages of a comparison whose truth is known: simulated test splits of several runs.

A pixel of class k is found with probability sigmoid(base_k + image + variant x image + variant x seed + all three),
each term normal; the rest of the class is spread over the others. A variant with no effect is distributed as the
control is, so that every true difference is 0; an effect is added to the base of each class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.differences import Group
from fnmask.compare.runs import Sweep, Trial
from fnmask.tracking.artifacts import ClassList
from fnmask.tracking.records import RunRecord

CLASS_NAMES = ("land", "road", "car")
TARGET = 1

_SHARES = (0.7, 0.2, 0.1)
_SHOWN = (1.0, 0.6, 0.4)  # share of the images that show a class at all
_BASE = np.array([2.0, 0.5, 0.8])
_PIXELS = 4000


@dataclass(frozen=True)
class Noise:
    """Standard deviations in logits.

    Attributes:
        image: of how hard an image is for all runs.
        variant_image: of how a variant does on an image.
        variant_seed: of a run.
        all_three: of a run on an image.
        factors: a variant's last two times one of these, drawn anew.
    """

    image: float = 0.8
    variant_image: float = 0.15
    variant_seed: float = 0.15
    all_three: float = 0.1
    factors: Sequence[float] = (1.0,)


def simulate_page(
    rng: np.random.Generator,
    *,
    n_images: int,
    n_seeds: int,
    n_variants: int,
    noise: Noise = Noise(),
    effect: float = 0.0,
) -> tuple[list[Group], dict[str, NDArray[np.int64]]]:
    """Variants and their control.

    Args:
        rng: draws everything.
        n_images: of the split.
        n_seeds: of each variant.
        n_variants: beside the control.
        noise: see there.
        effect: logits that the first variant is better by, in every class.
    """
    pixels = rng.multinomial(_PIXELS, _SHARES, size=n_images) * (rng.random((n_images, 3)) < _SHOWN)
    of_image = rng.normal(0, noise.image, (n_images, 3))

    def runs(better: float) -> dict[str, NDArray[np.int64]]:
        of_both = rng.normal(0, noise.variant_image, (n_images, 3))
        factor = float(rng.choice(np.array(noise.factors)))
        found = {}
        for seed in range(n_seeds):
            of_seed = factor * (rng.normal(0, noise.variant_seed, 3) + rng.normal(0, noise.all_three, (n_images, 3)))
            found[f"seed {seed}"] = _matrices(rng, pixels, _BASE + better + of_image + of_both + of_seed)
        return found

    control = runs(0.0)
    return [Group((TARGET,), runs(0.0 if index else effect)) for index in range(n_variants)], control


def as_sweep(groups: Sequence[Group], control: Mapping[str, NDArray[np.int64]]) -> Sweep:
    """The same as a sweep that has been read back, control and all."""

    def trial(variant: str, name: str, block: str, matrices: NDArray[np.int64]) -> Trial:
        return Trial(
            run_id=f"{variant} {block}",
            number=0,
            variant=variant,
            control=name,
            loss="plain" if name else "mask",
            seed=block,
            targets=(CLASS_NAMES[TARGET],),
            reference=block,
            matrices={"test": matrices},
            params={},
        )

    controls = {block: trial("plain", "plain", block, own) for block, own in control.items()}
    others = [
        trial(f"variant {index}", "", block, own)
        for index, group in enumerate(groups)
        for block, own in group.matrices.items()
    ]
    record = RunRecord("run", "simulated", "FINISHED", {}, {}, {}, 0, 1)
    classes = ClassList(CLASS_NAMES, ((0, 0, 0),) * len(CLASS_NAMES), None)
    return Sweep(record, classes, (*controls.values(), *others), controls, {}, ())


def _matrices(rng: np.random.Generator, pixels: NDArray[np.int64], logits: NDArray[np.float64]) -> NDArray[np.int64]:
    """Confusion matrices `(N, 3, 3)`."""
    hits = rng.binomial(pixels, 1 / (1 + np.exp(-logits)))
    matrices = np.zeros((len(pixels), 3, 3), np.int64)
    for label in range(3):
        missed = pixels[:, label] - hits[:, label]
        first, second = [other for other in range(3) if other != label]
        matrices[:, label, label] = hits[:, label]
        matrices[:, label, first] = rng.binomial(missed, 0.6)
        matrices[:, label, second] = missed - matrices[:, label, first]
    return matrices
