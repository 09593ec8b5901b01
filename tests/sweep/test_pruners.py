"""Every option of `study/pruner`: bound as the sweeper binds it, and asked on toy studies as a trial asks it."""

import optuna
import pytest
from composing import check, compose_config
from omegaconf import OmegaConf
from optuna.trial import TrialState

from fnmask.binding import ConfigError, bind
from fnmask.outcomes import TrialPruned
from fnmask.presets import conf_dir
from fnmask.sweep.dominance import DominanceRule
from fnmask.sweep.storage import quietly
from fnmask.sweep.study import CONTROL
from fnmask.sweep.trial_report import TrialReport

OPTIONS = sorted(path.stem for path in (conf_dir() / "study" / "pruner").glob("*.yaml"))
MIOU = {"val/miou": "maximize"}
TWO = {"val/miou": "maximize", "val/iou/road": "maximize"}


def node(option, *overrides):
    composed = compose_config(f"study/pruner={option}", *overrides)
    return OmegaConf.to_container(composed.study.pruner, resolve=True)


def pruner(option, *overrides):
    return bind(node(option, *overrides), prefix="study.pruner")()


@pytest.fixture(scope="module")
def config():
    """Nine epochs, of which all may decide but the last."""
    return check("loss=attenuate_fn", "loss.warmup_epochs=0", "trainer.epochs=9")


@pytest.fixture(autouse=True)
def _quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


class Toy:
    """A study whose trials are curves of `val/miou`."""

    def __init__(self, config, found, directions=MIOU, seeds=1):
        self.config, self.pruner, self.directions, self.seeds = config, found, directions, seeds
        self.study = optuna.create_study(directions=list(directions.values()), study_name="toy", pruner=found.optuna)

    def report(self, *, control=False, **changes):
        self.study.enqueue_trial({}, user_attrs={CONTROL: "plain"} if control else {})
        trial = self.study.ask()
        settings = {"seeds": self.seeds, "seed_margin_points": None, "timeout_s": None, "is_control": control}
        return TrialReport(
            study=self.study, trial=trial, directions=self.directions, pruner=self.pruner, **settings | changes
        )

    def train(self, curve, *, control=False):
        """The epoch at which a trial with this curve ends, and whether it was given up."""
        report = self.report(control=control)
        on_epoch = report.epoch_hook(self.config, lambda: None)
        for epoch, miou in enumerate(curve, 1):
            rest = {"val/miou": miou, "val/iou/road": miou}
            try:
                on_epoch(epoch, rest, None)
            except TrialPruned:
                self.study.tell(report.trial, state=TrialState.PRUNED)
                return epoch, True
        self.study.tell(report.trial, [curve[-1]] * len(self.directions))
        return len(curve), False


def line(end, epochs=9):
    """A curve that grows evenly."""
    return [end * epoch / epochs for epoch in range(1, epochs + 1)]


def test_there_is_a_test_of_every_option():
    assert OPTIONS == ["asha", "dominance", "hyperband", "median", "none", "patience", "percentile", "wilcoxon"]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_binds_and_serves_one_objective_or_several(option):
    found = pruner(option)
    assert found.unit == {"none": "never", "wilcoxon": "seed"}.get(option, "epoch")
    if option in ("none", "dominance"):
        found.check(3, 1)
    else:
        found.check(1, 9)
        with pytest.raises(ConfigError) as caught:
            found.check(2, 9)
        assert caught.value.faults == (
            "study.pruner: it looks at one objective, and study.directions has 2. Take study/pruner=dominance, or one "
            "direction with study.constraints for the rest.",
        )


@pytest.mark.parametrize(
    ("option", "override", "fault"),
    [
        ("asha", "min_epochs=0", "min_epochs: got 0. Input should be greater than or equal to 1."),
        ("asha", "reduction=1", "reduction: got 1. Input should be greater than or equal to 2."),
        ("hyperband", "max_epochs=0", "max_epochs: got 0. Input should be greater than or equal to 1."),
        ("median", "n_startup_trials=-1", "n_startup_trials: got -1. Input should be greater than or equal to 0."),
        ("percentile", "percentile=100", "percentile: got 100. Input should be less than 100."),
        ("percentile", "percentile=0", "percentile: got 0. Input should be greater than 0."),
        ("patience", "patience_epochs=0", "patience_epochs: got 0. Input should be greater than or equal to 1."),
        ("wilcoxon", "p_threshold=1", "p_threshold: got 1. Input should be less than 1."),
        ("dominance", "margin_points=0", "margin_points: got 0. Input should be greater than 0."),
        ("median", "n_warmup_epochs=1.5", "n_warmup_epochs: got 1.5. Input should be a valid integer."),
    ],
)
def test_what_an_option_does_not_take(option, override, fault):
    with pytest.raises(ConfigError) as caught:
        pruner(option, f"study.pruner.{override}")
    assert caught.value.faults == (f"study.pruner.{fault}",)


def test_hyperband_takes_the_epochs_of_the_trainer():
    assert node("hyperband", "trainer.epochs=27")["max_epochs"] == 27


def test_without_a_pruner_a_trial_is_trained_to_its_end(config):
    toy = Toy(config, pruner("none"))
    assert [toy.train(line(end)) for end in (0.9, 0.1, 0.01)] == [(9, False)] * 3


def test_the_median_of_finished_trials_ends_what_is_below(config):
    toy = Toy(config, pruner("median", "study.pruner.n_startup_trials=3", "study.pruner.n_warmup_epochs=2"))
    assert [toy.train(line(end)) for end in (0.1, 0.5, 0.9)] == [(9, False)] * 3
    assert toy.train(line(0.6)) == (9, False)
    # Now the median is 0.55; the first two epochs are not looked at.
    assert toy.train(line(0.5)) == (3, True)


def test_the_best_percentile_goes_on(config):
    toy = Toy(config, pruner("percentile", "study.pruner.percentile=25", "study.pruner.n_startup_trials=4"))
    for end in (0.2, 0.4, 0.6, 0.8):
        assert toy.train(line(end)) == (9, False)
    # The best quarter begins three quarters of the way from 0.8 down to 0.6; what was ended does not move that.
    assert [toy.train(line(0.64)) for _ in range(2)] == [(1, True)] * 2
    assert toy.train(line(0.66)) == (9, False)


def test_patience_ends_what_no_longer_improves_by_enough(config):
    toy = Toy(config, pruner("patience", "study.pruner.patience_epochs=2", "study.pruner.min_delta=0.01"))
    assert toy.train(line(0.9)) == (9, False)
    # The second epoch with less than 0.01 above the best before it is one too many.
    assert toy.train([0.1, 0.5, 0.5, 0.52, 0.52, 0.525, 0.9, 0.9, 0.9]) == (6, True)
    assert toy.train([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]) == (3, True)
    assert toy.train([0.1, 0.5, 0.4, 0.6, 0.5, 0.7, 0.6, 0.8, 0.7]) == (9, False)


def test_patience_of_an_objective_that_is_minimized(config):
    toy = Toy(config, pruner("patience", "study.pruner.patience_epochs=2"), {"val/miou": "minimize"})
    assert toy.train([9, 8, 7, 6, 5, 4, 3, 2, 1]) == (9, False)
    assert toy.train([3, 2, 2.5, 3, 1, 1, 1, 1, 1]) == (4, True)


def test_successive_halving_keeps_a_third_at_each_rung(config):
    toy = Toy(config, pruner("asha", "study.pruner.min_epochs=1"))
    # The rungs are after epochs 1, 3 and 9. The first trial meets nobody; each worse one ends at the first rung.
    assert toy.train(line(0.9)) == (9, False)
    assert [toy.train(line(end)) for end in (0.8, 0.7, 0.6)] == [(1, True)] * 3
    assert toy.train(line(0.95)) == (9, False)


def test_hyperband_has_patient_and_eager_brackets(config):
    toy = Toy(config, pruner("hyperband", "study.pruner.min_epochs=1", "trainer.epochs=9"))
    toy.train(line(0.9))
    ended = [toy.train(line(0.8 - place / 100)) for place in range(30)]
    # Rungs after 1 and 3 epochs, by the bracket that a trial falls in; some brackets never prune.
    assert {epoch for epoch, given_up in ended if given_up} == {1, 3}
    assert sum(given_up for _, given_up in ended) >= 10


def test_the_dominance_rule_is_made_of_its_options():
    assert pruner("dominance").dominance == DominanceRule(margin_points=2.0, patience_epochs=2, n_startup_trials=5)


def test_a_dominated_curve_of_several_objectives_ends(config):
    toy = Toy(config, pruner("dominance", "study.pruner.n_startup_trials=2"), TWO)
    assert [toy.train(line(end)) for end in (0.9, 0.3)] == [(9, False)] * 2
    # At epoch e it is e / 9 * 45 points behind, in both objectives: more than 2 points from the first epoch on.
    assert toy.train(line(0.45)) == (2, True)
    # Behind by e / 9 points, and so never by 2.
    assert toy.train(line(0.89)) == (9, False)


def train_seeds(toy, scores):
    """After how many seeds a trial with these final scores ends, and whether it was given up."""
    report = toy.report(seed_margin_points=1000.0)
    for place, score in enumerate(scores, 1):
        try:
            report.end_seed({"val/miou": score})
        except TrialPruned:
            toy.study.tell(report.trial, state=TrialState.PRUNED)
            return place, True
    toy.study.tell(report.trial, report.mean("val/miou"))
    return len(scores), False


@pytest.mark.parametrize(("p_threshold", "deciding"), [(0.1, 4), (0.2, 3), (0.125, 4), (0.3, 2), (0.9, 2), (0.05, 5)])
def test_wilcoxon_refuses_too_few_seeds_and_decides_as_soon_as_it_can(config, p_threshold, deciding):
    found = pruner("wilcoxon", f"study.pruner.p_threshold={p_threshold}")
    with pytest.raises(ConfigError, match=f"got {deciding}. The test .* before seed {deciding}: .*={deciding + 1} or"):
        found.check(1, deciding)
    found.check(1, deciding + 1)
    with quietly():
        toy = Toy(config, found, seeds=deciding + 1)
        better = [0.5 + seed / 100 for seed in range(deciding + 1)]
        assert train_seeds(toy, better) == (deciding + 1, False)
        # Worse in every seed, each time by another number: the smallest p that so many seeds can give.
        worse = [score - 0.1 - score / 10 for score in better]
        assert train_seeds(toy, worse) == (deciding, True)
        assert train_seeds(toy, [score + 0.1 for score in better]) == (deciding + 1, False)


@pytest.mark.parametrize("option", ["median", "asha", "patience", "percentile", "hyperband", "dominance"])
def test_what_a_control_measures_is_never_cut_short(config, option):
    startup = ["study.pruner.n_startup_trials=1"] if "n_startup_trials" in node(option) else []
    toy = Toy(config, pruner(option, *startup), TWO if option == "dominance" else MIOU)
    for _ in range(3):
        toy.train(line(0.9))
    assert toy.train([0.1] * 9, control=True) == (9, False)
    assert toy.train([0.1] * 9)[1] or option == "hyperband"
