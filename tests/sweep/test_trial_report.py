"""What a running trial tells its study after every epoch and every seed, and when it is let go on."""

import math

import numpy as np
import optuna
import pytest
from composing import check
from optuna.trial import TrialState

from fnmask.outcomes import TrialPruned, TrialTimeout
from fnmask.sweep.dominance import DominanceRule
from fnmask.sweep.pruners import Pruner
from fnmask.sweep.study import CURVE, EPOCH, SEED_VALUES
from fnmask.sweep.trial_report import TrialReport

MIOU = {"val/miou": "maximize"}
TWO = {"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize"}
# It says yes whenever it is asked: no value is above 2.
ALWAYS = Pruner("epoch", optuna.pruners.ThresholdPruner(lower=2.0))
AT_ONCE = Pruner("epoch", dominance=DominanceRule(margin_points=1.0, patience_epochs=1, n_startup_trials=1))
# Confusion matrices of five classes, of which road is the third.
EVEN = np.full((5, 5), 10, np.int64)
BETTER = np.full((5, 5), 5, np.int64) + 25 * np.eye(5, dtype=np.int64)


@pytest.fixture(scope="module")
def config():
    """Six epochs, of which the mask counts from the fourth on."""
    words = ("loss.target=road", "loss.warmup_epochs=2", "loss.ramp_epochs=1", "trainer.epochs=6")
    return check("loss=attenuate_fn", *words)


@pytest.fixture(autouse=True)
def _quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def begin(directions=MIOU, pruner=ALWAYS, *, study=None, is_control=False, seeds=1, margin=None, timeout_s=None):
    study = study or optuna.create_study(directions=list(directions.values()), pruner=pruner.optuna)
    return TrialReport(
        study=study,
        trial=study.ask(),
        directions=directions,
        pruner=pruner,
        is_control=is_control,
        seeds=seeds,
        seed_margin_points=margin,
        timeout_s=timeout_s,
    )


def end_of(report, config, *, miou=0.5, control=None, matrix=EVEN):
    """The epoch at which the trial is given up, or None."""
    on_epoch = report.epoch_hook(config, lambda: control)
    for epoch in range(1, config.trainer.epochs + 1):
        try:
            on_epoch(epoch, {"val/miou": miou}, matrix)
        except TrialPruned:
            return epoch
    return None


def test_nothing_is_given_up_before_the_mask_is_at_full_strength(config):
    report = begin()
    # Two epochs of plain loss and one of ramp: the fourth is the first to say something.
    assert end_of(report, config) == 4
    assert list(report.trial.storage.get_trial(report.trial._trial_id).intermediate_values) == [4]


def test_nothing_is_given_up_at_the_last_epoch():
    late = check("loss=attenuate_fn", "loss.warmup_epochs=5", "trainer.epochs=6")
    assert end_of(begin(), late) is None
    just = check("loss=attenuate_fn", "loss.warmup_epochs=4", "trainer.epochs=6")
    assert end_of(begin(), just) == 5


def test_part_of_an_epoch_of_ramp_still_counts(config):
    half = check("loss=attenuate_fn", "loss.warmup_epochs=1.5", "loss.ramp_epochs=0.25", "trainer.epochs=6")
    assert end_of(begin(), half) == 3


def test_a_loss_without_a_mask_may_be_given_up_from_the_first_epoch_on():
    assert end_of(begin(), check("loss=plain", "trainer.epochs=6")) == 1


def test_controls_are_never_given_up(config):
    report = begin(is_control=True)
    assert end_of(report, config) is None
    assert list(report.study.trials[0].intermediate_values) == [4, 5, 6]


def test_a_value_that_is_no_number_is_neither_reported_nor_judged(config):
    report = begin()
    assert end_of(report, config, miou=math.nan) is None
    assert report.study.trials[0].intermediate_values == {}
    # A metric that is not measured in every epoch is none.
    report = begin({"val/hausdorff/road": "minimize"})
    assert end_of(report, config) is None
    assert report.study.trials[0].intermediate_values == {}


def test_every_epoch_is_shown(config):
    report = begin(pruner=Pruner())
    report.epoch_hook(config, lambda: None)(2, {"val/miou": 0.12345678}, EVEN)
    assert report.study.trials[0].user_attrs[EPOCH] == [2, 6, 0.123457]


def test_a_trade_off_is_told_once_its_control_is_there(config):
    report = begin(TWO, AT_ONCE)
    known = []
    on_epoch = report.epoch_hook(config, lambda: known[0] if known else None)
    on_epoch(1, {"val/miou": 0.2}, BETTER)
    assert CURVE not in report.study.trials[0].user_attrs
    known.append(EVEN)
    on_epoch(2, {"val/miou": 0.2}, BETTER)
    ((epoch, gain, cost),) = report.study.trials[0].user_attrs[CURVE]
    # IoU was 10 / 90 for every class and is 30 / 70.
    assert epoch == 2
    assert gain == pytest.approx(100 * (30 / 70 - 10 / 90))
    assert cost == pytest.approx(-gain)


def test_the_plain_control_itself_gains_nothing(config):
    report = begin(TWO, AT_ONCE, is_control=True)
    report.epoch_hook(config, lambda: "itself")(1, {"val/miou": 0.2}, BETTER)
    assert report.study.trials[0].user_attrs[CURVE] == [[1, 0.0, 0.0]]


def finish(report, config, values, **changes):
    assert end_of(report, config, **changes) is None
    report.study.tell(report.trial, values)


@pytest.fixture
def two_objectives(config):
    """A study of two objectives with one finished trial, better than its control in both."""
    study = optuna.create_study(directions=list(TWO.values()))
    finish(begin(TWO, AT_ONCE, study=study), config, [31.7, -31.7], control=EVEN, matrix=BETTER)
    return study


def test_a_dominated_trial_of_several_objectives_is_given_up(config, two_objectives):
    assert end_of(begin(TWO, AT_ONCE, study=two_objectives), config, control=EVEN) == 4
    assert end_of(begin(TWO, AT_ONCE, study=two_objectives, is_control=True), config, control=EVEN) is None
    assert end_of(begin(TWO, AT_ONCE, study=two_objectives), config, control=EVEN, matrix=BETTER) is None


def test_trials_that_break_a_constraint_dominate_nobody(config):
    study = optuna.create_study(directions=list(TWO.values()))
    report = begin(TWO, AT_ONCE, study=study)
    report.trial.set_constraint("val/recall/road", 0.1)
    finish(report, config, [31.7, -31.7], control=EVEN, matrix=BETTER)
    assert end_of(begin(TWO, AT_ONCE, study=study), config, control=EVEN) is None


def test_a_trial_fails_at_the_epoch_after_its_time_is_over(config):
    report = begin(pruner=Pruner(), timeout_s=1e-9)
    with pytest.raises(TrialTimeout, match=r"longer than study\.trial_timeout_s=1e-09 at epoch 1"):
        end_of(report, config)
    assert end_of(begin(pruner=Pruner(), timeout_s=3600.0), config) is None


def test_the_second_seed_is_neither_reported_nor_given_up_by_its_epochs(config):
    report = begin(seeds=2, is_control=False, pruner=ALWAYS, margin=1.0)
    on_epoch = report.epoch_hook(config, lambda: None)
    for epoch in (1, 2, 3):
        on_epoch(epoch, {"val/miou": 0.5}, EVEN)
    assert list(report.study.trials[0].intermediate_values) == []
    report.end_seed({"val/miou": 0.5})
    assert end_of(report, config) is None
    trial = report.study.trials[0]
    assert trial.user_attrs[EPOCH] == [12, 12, 0.5]
    assert list(trial.intermediate_values) == []


def test_without_a_pruner_every_epoch_is_reported(config):
    report = begin(pruner=Pruner())
    assert end_of(report, config) is None
    assert list(report.study.trials[0].intermediate_values) == [1, 2, 3, 4, 5, 6]


def run_seeds(study, scores, *, margin=None, is_control=False, pruner=None):
    """After how many seeds the trial ends; it is told to the study."""
    report = begin(study=study, pruner=pruner or Pruner(), seeds=3, margin=margin, is_control=is_control)
    for place, score in enumerate(scores, 1):
        try:
            report.end_seed({"val/miou": score})
        except TrialPruned:
            study.tell(report.trial, state=TrialState.PRUNED)
            return place
    study.tell(report.trial, report.mean("val/miou"))
    return len(scores)


@pytest.fixture
def study():
    return optuna.create_study(direction="maximize")


def test_a_trial_of_several_seeds_is_judged_by_their_mean(study):
    run_seeds(study, [0.5, 0.6, 0.7])
    assert study.best_value == pytest.approx(0.6)
    assert study.trials[0].user_attrs[SEED_VALUES] == [[0.5], [0.6], [0.7]]


def test_a_first_seed_that_is_worse_by_more_than_the_margin_is_the_last(study):
    assert run_seeds(study, [0.5, 0.5, 0.5], margin=2.0) == 3
    # 2 points are 0.02.
    assert run_seeds(study, [0.47, 0.9, 0.9], margin=2.0) == 1
    assert run_seeds(study, [0.49, 0.1, 0.1], margin=2.0) == 3
    assert run_seeds(study, [0.1, 0.1, 0.1], margin=2.0, is_control=True) == 3


def test_without_a_margin_the_spread_over_seeds_is_one_once_three_trials_are_done(study):
    for scores in ([0.50, 0.54, 0.58], [0.40, 0.44, 0.49], [0.30, 0.35, 0.38]):
        assert run_seeds(study, scores) == 3
    # Differences from the best differ by less than a point from seed to seed, so that 3 points are enough.
    assert run_seeds(study, [0.47, 0.5, 0.5]) == 1
    assert run_seeds(study, [0.499, 0.5, 0.5]) == 3


def test_trials_with_other_numbers_of_seeds_are_not_compared_with(study):
    begin(study=study, pruner=Pruner(), seeds=1)
    study.add_trial(
        optuna.trial.create_trial(value=0.9, user_attrs={SEED_VALUES: [[0.9], [0.9]]}),
    )
    assert run_seeds(study, [0.1, 0.1, 0.1], margin=1.0) == 3


def test_why_a_trial_is_not_given_the_rest_of_its_seeds(study):
    run_seeds(study, [0.5, 0.5, 0.5])
    report = begin(study=study, pruner=Pruner(), seeds=3, margin=2.0)
    with pytest.raises(TrialPruned, match=r"^clearly worse after the first of 3 seeds$"):
        report.end_seed({"val/miou": 0.4})


def test_one_seed_leaves_no_trace_of_seeds(study):
    report = begin(study=study, pruner=Pruner())
    report.end_seed({"val/miou": 0.5})
    assert report.mean("val/miou") == 0.5
    assert SEED_VALUES not in study.trials[0].user_attrs
