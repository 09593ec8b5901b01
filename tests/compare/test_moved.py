"""The threshold that the verdict recommends: which point of the frontier, and as which command."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hand_worked import PLAIN, SOFT, rows_by_name, sweep_of, table_of, trial
from hypothesis import given
from hypothesis import strategies as st

from fnmask.compare.frontier import PLANES, Curve
from fnmask.compare.moved import export_command, nearest_log_odds, threshold_text
from fnmask.compare.verdict import verdict
from fnmask.tracking.artifacts import FrontierFile

LOG_ODDS = np.array([-math.inf, 0.0, 1.5, 40.0, math.inf])
ROAD = 1


def frontier(*points):
    """Target IoU and mIoU of the others at the five thresholds."""
    both = np.full((2, 5, 2), np.nan)
    both[PLANES.index("iou")] = points
    return Curve(LOG_ODDS, both)


def test_the_nearest_point_by_hand():
    # Beside (50, 70) the worse of both coordinates is -50, -10, -2; better ones have thresholds that nobody can write.
    curve = frontier((0, 90), (40, 72), (55, 68), (60, 80), (99, 99))
    assert nearest_log_odds(curve, 50, 70) == 1.5
    assert nearest_log_odds(curve, 39, 71) == 0  # +1 there, -3 at 1.5
    assert nearest_log_odds(frontier(*[(math.nan, math.nan)] * 5), 50, 70) is None
    assert nearest_log_odds(frontier((1, 1), (math.nan, 1), (0, 0), (1, 1), (1, 1)), 50, 70) == 1.5


@pytest.mark.parametrize(
    ("log_odds", "text"),
    [(0, "0.50"), (1.5, "0.82"), (-1.5, "0.18"), (4.5, "0.989"), (12, "0.999994"), (-12, "0.000006"), (0.5, "0.62")],
)
def test_a_threshold_as_text(log_odds, text):
    assert threshold_text(log_odds) == text


@given(st.floats(-30, 30))
def test_a_written_threshold_lies_as_near(log_odds):
    written = float(threshold_text(log_odds))
    assert abs(math.log(written / (1 - written)) - log_odds) < 0.05
    assert "e" not in threshold_text(log_odds)


def kept(*matrices):
    """The frontier of the road whose thresholds give these matrices, of a control of three images as in `trial`."""
    wholes = [np.array(matrix) for matrix in matrices]
    parts = [np.stack([own // 2, own // 3, own - own // 2 - own // 3]) for own in wholes]
    hits = np.stack([np.diagonal(own, axis1=1, axis2=2) for own in parts], axis=1)
    predicted = np.stack([own.sum(axis=1) for own in parts], axis=1)
    return FrontierFile(LOG_ODDS, (ROAD,), hits[None], predicted[None])


NOWHERE = [[100, 0, 0], [50, 0, 0], [0, 0, 50]]
EVERYWHERE = [[0, 100, 0], [0, 50, 0], [0, 50, 0]]


def sweep_with(soft, at_1_5, *, names=None, test=None):
    """Plain and soft with three seeds; what the plain network gives at 1.5, and as the mask on val and on test."""
    frontiers = kept(EVERYWHERE, PLAIN, at_1_5, NOWHERE, NOWHERE)
    trials = []
    for seed in (10, 9, 11):
        plain = trial(seed, "plain", PLAIN, control="plain", seed=seed)
        trials += [
            replace(plain, frontiers={"val": frontiers, "test": frontiers}),
            trial(seed, "soft", soft, seed=seed),
        ]
    if test is not None:
        other = trial(0, "soft", test).matrices["test"]
        trials = [
            replace(own, matrices={**own.matrices, "test": other}) if own.variant == "soft" else own for own in trials
        ]
    if names is not None:
        trials = [replace(own, targets=("road's end",)) for own in trials]
        return sweep_of(*trials, class_names=names)
    return sweep_of(*trials)


def command_of(sweep):
    return export_command(sweep, rows_by_name(table_of(sweep))["soft"])


def test_the_command_names_the_first_seed_and_the_threshold():
    assert command_of(sweep_with(SOFT, SOFT)) == "fnmask export --run plain-9-9 --decision 'road>0.82'"


def test_it_is_found_in_the_experiment_that_holds_the_sweep():
    command = command_of(replace(sweep_with(SOFT, SOFT), experiment="my own"))
    assert command == "fnmask export --run plain-9-9 --experiment 'my own' --decision 'road>0.82'"


def test_it_is_chosen_on_val_whatever_is_looked_at():
    """On test the mask is as the plain network is; on val the moved threshold is what equals it."""
    assert "0.82" in command_of(sweep_with(SOFT, SOFT, test=PLAIN))


def test_it_is_that_of_the_network_that_the_variant_has():
    """Another network's plain controls, of lower seeds, come nearest without a threshold."""
    own = sweep_with(SOFT, SOFT)
    others = [
        replace(trial(40 + seed, "wide plain", SOFT, control="plain", seed=seed), reference=f"wide{seed}",
                frontiers={"val": kept(EVERYWHERE, SOFT, NOWHERE, NOWHERE, NOWHERE)})
        for seed in range(3)
    ]  # fmt: skip
    both = sweep_of(*others, *own.trials)
    assert command_of(both) == "fnmask export --run plain-9-9 --decision 'road>0.82'"


def test_a_class_may_be_called_anything():
    command = command_of(sweep_with(SOFT, SOFT, names=("land", "road's end", "car")))
    assert command.endswith("""--decision 'road'"'"'s end>0.82'""")


def test_no_frontier_no_command():
    sweep = sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT))
    assert command_of(sweep) == ""


def test_the_verdict_prints_it():
    sweep = sweep_with(SOFT, SOFT)
    told = " ".join(verdict(sweep, table_of(sweep)))
    assert "Take that threshold instead: fnmask export --run plain-9-9 --decision 'road>0.82'" in told


def test_a_mask_that_is_ahead_is_not_to_be_left_for_a_threshold():
    sweep = sweep_with(SOFT, [[93, 7, 0], [21, 29, 0], [0, 1, 49]])
    noisy = {9: 0, 10: 1, 11: 3}
    trials = []
    for own in sweep.trials:
        matrices = {key: of.copy() for key, of in own.matrices.items()}
        for of in matrices.values() if own.variant == "soft" else ():
            of[0, 2, 2] -= noisy[int(own.seed)]
            of[0, 2, 0] += noisy[int(own.seed)]
        trials.append(replace(own, matrices=matrices))
    table = table_of(sweep_of(*trials))
    assert rows_by_name(table)["soft"].deltas["frontier_iou"].mean > 0
    told = " ".join(verdict(sweep_of(*trials), table))
    assert "No mask is shown to reach more" in told
    assert "The threshold that comes nearest: fnmask export --run plain-9-9 --decision" in told


def test_where_argmax_comes_nearest_no_threshold_is_moved():
    sweep = sweep_with([[82, 18, 0], [12, 38, 0], [0, 10, 40]], NOWHERE)
    assert command_of(sweep) == "fnmask export --run plain-9-9"
    assert "The plain network as it is comes nearest: fnmask export --run plain-9-9" in " ".join(
        verdict(sweep, table_of(sweep))
    )


def test_a_moved_threshold_lends_no_noise_to_what_was_trained():
    """It moves with the plain network of its seed: with its small noise the masks would look surer than they are."""
    trials = []
    for seed in range(3):
        trials += [trial(3 * seed, "plain", PLAIN, control="plain", seed=seed)]
        for place, variant in enumerate(("soft", "hard")):
            matrix = [[90 + 3 * seed * (1 - 2 * place), 10 - 3 * seed * (1 - 2 * place), 0], *SOFT[1:]]
            trials += [trial(3 * seed + 1 + place, variant, matrix, seed=seed)]
    moved = [
        replace(trial(20 + seed, "moved", SOFT, seed=seed, loss="threshold"), moves=f"plain-{seed}-{3 * seed}")
        for seed in range(3)
    ]
    alone = rows_by_name(table_of(sweep_of(*trials)))
    beside = rows_by_name(table_of(sweep_of(*trials, *moved)))
    assert beside["moved"].deltas["others_gain"].n_seeds == 3
    for variant in ("soft", "hard"):
        for key, delta in alone[variant].deltas.items():
            assert beside[variant].deltas[key].parts == delta.parts, key
