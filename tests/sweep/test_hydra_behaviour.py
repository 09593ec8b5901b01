"""What people know of sweeps in Hydra holds here: the override grammar, presets, the command line, jobs, folders."""

import sys
from dataclasses import replace

import pytest
import yaml
from composing import make_camvid
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, RunMode
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sweeping import load_trials, run_sweep, sqlite

from fnmask.sweep.grammar import quote
from fnmask.sweep.plugin import FnmaskSweeper
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.study import OUTCOME
from fnmask.sweep.wording import count_combinations

BUDGET = "study.n_trials=20"


def test_hydra_finds_the_sweeper_and_the_config_chooses_it(loader):
    assert FnmaskSweeper in Plugins.instance().discover(Sweeper)
    master = loader.load_configuration("config", [], RunMode.MULTIRUN)
    context = HydraContext(config_loader=loader, callbacks=None)
    sweeper = Plugins.instance().instantiate_sweeper(
        config=master, hydra_context=context, task_function=lambda config: None
    )
    assert isinstance(sweeper, FnmaskSweeper)
    assert sweeper.config is master


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("loss.alpha=choice(0.25,0.5)", CategoricalDistribution([0.25, 0.5])),
        ("loss.alpha=0.25,0.5", CategoricalDistribution([0.25, 0.5])),
        ("loss.alpha=[0.25],0.5", CategoricalDistribution(["[0.25]", 0.5])),
        ("loss.alpha=sort(0.5,0.25)", CategoricalDistribution([0.25, 0.5])),
        ("loss.alpha=choice(0.25)", CategoricalDistribution([0.25])),
        ("loss.alpha=interval(0, 1)", FloatDistribution(0, 1)),
        ("loss.alpha=tag(log, interval(0.01, 1))", FloatDistribution(0.01, 1, log=True)),
        ("loss.alpha=interval(1e-2, 0.5)", FloatDistribution(0.01, 0.5)),
        ("loss.target=choice('road', \"water\")", CategoricalDistribution(["road", "water"])),
        ("loss.target=choice([road,water],road)", CategoricalDistribution(["[road,water]", "road"])),
        ("trainer.jit_compile=choice(true, false)", CategoricalDistribution([True, False])),
        ("dataset.crop_size=null,[64,64]", CategoricalDistribution([None, "[64,64]"])),
    ],
)
def test_words_of_the_command_line_become_distributions(plan, word, expected):
    found = plan("loss=attenuate_fn", word, BUDGET)
    assert dict(found.space.distributions) == {word.partition("=")[0]: expected}


def test_whole_numbers(plan):
    words = ("loss=attenuate_fn", "study.directions={val/miou:maximize}", BUDGET)
    assert plan(*words, "trainer.batch_size=int(interval(2, 8))").space.distributions == {
        "trainer.batch_size": IntDistribution(2, 8)
    }
    assert plan(*words, "trainer.batch_size=tag(log, int(interval(1, 8)))").space.distributions == {
        "trainer.batch_size": IntDistribution(1, 8, log=True)
    }


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("loss.alpha=range(0,3)", "loss.alpha: range(...) is refused: "),
        ("loss.alpha=shuffle(range(1,3))", "loss.alpha: range(...) is refused: "),
        ("loss=glob(attenuate*)", "loss: got 'loss=glob(attenuate*)'. Write choice(a,b), "),
        ("loss.alpha=tag(float, interval(0,1))", "loss.alpha: got the tag float. Allowed: log."),
        ("loss.alpha=interval(1,0)", "loss.alpha: got the interval from 1 to 0."),
        ("loss.alhpa=0.5,1", "loss.alhpa: unknown key. Did you mean loss.alpha?"),
        ("loss=no_such_loss,plain", "loss: got 'no_such_loss'."),
        ("study.seed=1,2", "study.seed: is the same for all trials of a sweep, and cannot be searched."),
        ("study/pruner=asha,median", "study/pruner: is the same for all trials of a sweep, and cannot be searched."),
        ("root=a,b", "root: is the same for all trials of a sweep, and cannot be searched."),
    ],
)
def test_words_that_cannot_be_searched(faults, word, fault):
    assert faults("loss=attenuate_fn", word, BUDGET)[0].startswith(fault)


def test_one_value_is_no_search_and_holds_for_every_trial(plan):
    found = plan("loss=attenuate_fn", "loss.alpha=0.25,0.5", "loss.target=water", "seed=5", BUDGET)
    assert list(found.space.distributions) == ["loss.alpha"]
    assert found.fixed == ("loss=attenuate_fn", "loss.target=water", "seed=5", BUDGET)
    assert found.overrides({"loss.alpha": 0.5})[-1] == "loss.alpha=0.5"
    assert all("loss.target=water" in control.overrides for control in found.controls if control.name != "plain")


def test_of_a_key_given_twice_the_last_word_wins(plan, faults):
    assert plan("seed=0", "loss.alpha=0.1,0.2", "seed=0,1", BUDGET).space.keys == ("loss.alpha", "seed")
    found = plan("seed=0,1", "loss.alpha=0.1,0.2", "seed=3", BUDGET)
    assert found.space.keys == ("loss.alpha",)
    assert found.base.seed == 3
    assert plan("loss.alpha=0.1,0.2", "loss.alpha=0.3,0.4", BUDGET).space.choices("loss.alpha") == (0.3, 0.4)


ODD = ("a b", "c,d", "e=f", "${root}", "it's", "null", "x[1]", "{y:1}", "1", " ", "$", "@", '"')


@pytest.mark.slow
def test_texts_reach_the_trial_as_they_are(plan, composer, tmp_path):
    roots = [tmp_path / f"{place}" / text for place, text in enumerate(ODD)]
    for root in roots:
        make_camvid(root)
    # An interpolation has to be escaped to be a text.
    choices = ",".join(quote(str(root)).replace("${", r"\${") for root in roots)
    words = ("dataset=camvid", f"dataset.root=choice({choices})", "study.sampler=grid")
    found = plan(*words)
    composed = [composer(*words).compose(found.overrides(chosen)).dataset.root for chosen in found.grid]
    assert composed == list(map(str, roots))
    assert all(str(root) in found.space.describe()["dataset.root"].replace("\\", "") for root in roots)


def test_an_interpolation_is_resolved_in_every_trial(plan, composer):
    words = ("loss=attenuate_fn", "loss.alpha=${optimizer.learning_rate}", "optimizer.learning_rate=0.25,0.5", BUDGET)
    found = plan(*words)
    composed = [composer(*words).compose(found.overrides(chosen)).loss.alpha for chosen in found.space.combinations()]
    assert composed == [0.25, 0.5]


MANUAL = ("weighting=manual", "weighting.weights={road:2.0}", BUDGET)


@pytest.mark.parametrize("sign", ["+", "++"])
def test_a_key_that_is_added_can_be_searched(plan, composer, sign):
    words = (*MANUAL, f"{sign}weighting.weights.water=0.5,1")
    found = plan(*words)
    composed = [composer(*words).compose(found.overrides(chosen)) for chosen in found.space.combinations()]
    assert [dict(config.weighting.weights) for config in composed] == [
        {"road": 2.0, "water": 0.5},
        {"road": 2.0, "water": 1},
    ]
    # The controls have no weights to add to.
    assert all(not any("weights" in text for text in control.overrides) for control in found.controls)


def test_a_key_that_there_is_cannot_be_added(faults):
    assert "already" in faults("loss=attenuate_fn", "+loss.alpha=0.25,0.5", BUDGET)[0]


def test_an_added_key_may_be_written_in_a_preset_and_fixed_on_the_command_line(plan):
    space = "study.space={+weighting.weights.water:'choice(0.5,1)',loss.alpha:'choice(0.25,0.5)'}"
    assert plan(*MANUAL, space).space.keys == ("+weighting.weights.water", "loss.alpha")
    assert plan(*MANUAL, space, "+weighting.weights.water=3").space.keys == ("loss.alpha",)


def test_a_key_that_is_deleted_is_missed_in_every_trial(faults):
    assert faults("optimizer=sgd", "~optimizer.momentum", "loss.alpha=0.25,0.5", BUDGET) == (
        "optimizer.momentum: missing. Give optimizer.momentum=VALUE.",
    )


def test_a_deleted_entry_of_a_preset_is_not_searched(plan):
    assert plan("+sweeps=quickstart").space.keys == ("seed", "loss")
    found = plan("+sweeps=quickstart", "~study.space.seed")
    assert found.space.keys == ("loss",)
    assert len(found.grid) == 3


def test_the_command_line_replaces_and_adds_to_a_presets_space(plan):
    found = plan("+sweeps=quickstart", "seed=3,4,5", "loss.target=road,water")
    assert found.space.choices("seed") == (3, 4, 5)
    assert found.space.choices("loss.target") == ("road", "water")
    assert len(found.grid) == 3 * 3 * 2
    found = plan("+sweeps=quickstart", "seed=7")
    assert found.space.keys == ("loss",)
    assert {control.overrides[-1] for control in found.controls} != {"seed=0"}


def test_options_of_groups_are_searched_like_values(plan, composer):
    words = ("optimizer=adam,sgd", "loss=ignore_fn,attenuate_fn", "study.sampler=grid")
    found = plan(*words)
    composed = [composer(*words).compose(found.overrides(chosen)) for chosen in found.grid]
    chosen = [(config.hydra.runtime.choices.optimizer, config.hydra.runtime.choices.loss) for config in composed]
    assert chosen == [("adam", "ignore_fn"), ("adam", "attenuate_fn"), ("sgd", "ignore_fn"), ("sgd", "attenuate_fn")]
    # A control for each optimizer.
    assert [control.held for control in found.controls if control.name == "plain"] == [
        {"optimizer": "adam"},
        {"optimizer": "sgd"},
    ]


def test_options_of_a_group_in_a_group_are_searched_with_their_package(plan, composer):
    words = ("loss=attenuate_fn", "loss/timing@loss=third,half", "trainer.epochs=10", BUDGET)
    found = plan(*words)
    composed = [composer(*words).compose(found.overrides(chosen)) for chosen in found.space.combinations()]
    assert [config.loss.warmup_epochs for config in composed] == [3, 5]


def test_several_directions_keep_their_order(plan):
    words = ("loss.alpha=0.25,0.5", BUDGET)
    found = plan(*words, "study.directions={val/iou/road:maximize,val/miou:maximize,val/iou/land:minimize}")
    assert list(found.study.directions) == ["val/iou/road", "val/miou", "val/iou/land"]
    assert found.fingerprint["directions"] == found.study.directions


@pytest.mark.parametrize("sampler", ["tpe", "random", "quasi_random", "nsga2", "nsga3"])
def test_samplers_and_their_seed(plan, sampler):
    found = plan("loss.alpha=0.25,0.5", f"study.sampler={sampler}", "study.seed=123", BUDGET)
    assert (found.study.sampler, found.study.seed, found.grid) == (sampler, 123, None)


def test_a_grid_may_have_a_budget_smaller_than_itself(plan):
    words = ("loss.alpha=0.25,0.5", "seed=0,1,2", "study.sampler=grid")
    assert len(plan(*words).grid) == 6
    assert plan(*words, "study.n_trials=8").n_trials == 8


def test_zipped_keys_of_the_command_line(plan):
    words = ("loss=attenuate_fn", "loss.alpha=0.25,0.5", "loss.warmup_epochs=1,2", "study.sampler=grid")
    found = plan(*words, "study.zip=[[loss.alpha,loss.warmup_epochs]]")
    assert [found.overrides(found.space.expand(chosen))[-2:] for chosen in found.grid] == [
        ("loss.alpha=0.25", "loss.warmup_epochs=1"),
        ("loss.alpha=0.5", "loss.warmup_epochs=2"),
    ]


ZIPPED = (
    "study.space={loss.alpha:'choice(0.25,0.5)',loss.warmup_epochs:'choice(1,2)'}",
    "study.zip=[[loss.alpha,loss.warmup_epochs]]",
    BUDGET,
)


def test_a_zipped_list_goes_with_its_keys(plan, faults):
    assert plan(*ZIPPED, "loss=attenuate_fn").n_combinations == 2
    # `plain` has neither, and here both are given.
    assert plan(*ZIPPED, "loss=plain", "seed=0,1").space.keys == ("seed",)
    assert plan(*ZIPPED, "loss.alpha=1", "loss.warmup_epochs=1", "seed=0,1").space.keys == ("seed",)
    # Half a pair means nothing.
    assert faults(*ZIPPED, "loss.alpha=1") == ("study.zip: loss.alpha is not searched. Searched: loss.warmup_epochs.",)


def test_the_first_of_zipped_targets_is_that_of_the_controls(plan):
    words = (
        "loss=attenuate_fn",
        "loss.target=water,land",
        "loss.alpha=0.25,0.5",
        "study.zip=[[loss.alpha,loss.target]]",
    )
    assert all("loss.target=water" in control.overrides for control in plan(*words, BUDGET).controls)


def asks_for_more(trial, chosen):
    return {"loss.power": trial.suggest_float("loss.power", 1.0, 2.0)} if chosen["loss.alpha"] > 0.3 else {}


def fails(trial, chosen):
    raise ValueError("no such thing")


@pytest.fixture
def hook(monkeypatch):
    """Import paths of the functions above, as a person would give them."""
    monkeypatch.setitem(sys.modules, "my_hooks", sys.modules[__name__])
    return lambda name: f"study.hook=my_hooks.{name}"


def test_a_hook_may_ask_for_what_no_list_can_hold(plan, faults, hook):
    words = ("loss=soften_fn", "loss.alpha=0.25,0.5", BUDGET)
    found = plan(*words, hook("asks_for_more"))
    assert (found.n_combinations, found.fingerprint["hook"]) == (None, "my_hooks.asks_for_more")
    assert faults(*words, hook("fails")) == ("study.hook: ValueError: no such thing",)
    assert faults(*words, hook("nowhere"))[0].startswith("study.hook: got 'my_hooks.nowhere': ")
    assert faults(*words, hook("BUDGET")) == ("study.hook: 'my_hooks.BUDGET' is no function of (trial, chosen).",)
    assert faults(*words, hook("asks_for_more"), "study.sampler=grid")[0].startswith("study.hook: study.sampler=grid")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"a": "1,2", "b": "1,2,3"}, "6 combinations"),
        ({"a": "1,2", "b": "interval(0,1)"}, "an interval, so any number of combinations"),
        (dict.fromkeys("abcdef", "choice(0,1,2,3,4,5,6,7,8,9)"), "1000000 combinations"),
        (dict.fromkeys("abcdefg", "choice(0,1,2,3,4,5,6,7,8,9)"), "more than a million combinations"),
    ],
)
def test_the_number_of_combinations_is_told(plan, entries, told):
    space = read_space(entries, when={}, class_names=tuple)
    assert count_combinations(replace(plan("loss.alpha=0.25,0.5", BUDGET), space=space)) == told


PLAIN_ALONE = "study.controls={plain: ['loss=plain']}"


@pytest.mark.slow
def test_every_trial_has_its_number_and_its_folder(tmp_path):
    """Trains: a control and two trials of one epoch."""
    words = ("trainer.epochs=1", "loss=attenuate_fn", "loss.alpha=0.25,0.5", "study.sampler=grid", "study.name=folders")
    code, text = run_sweep(tmp_path, *words, PLAIN_ALONE)
    assert code == 0, text
    folder = tmp_path / "mlruns" / "hydra" / "sweeps" / "folders"
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1", "2"]
    for number, alpha in ((1, 0.25), (2, 0.5)):
        written = {
            name: yaml.safe_load((folder / str(number) / ".hydra" / f"{name}.yaml").read_text())
            for name in ("config", "hydra", "overrides")
        }
        assert written["config"]["loss"]["alpha"] == alpha
        assert (written["hydra"]["hydra"]["job"]["num"], written["hydra"]["hydra"]["job"]["id"]) == (
            number,
            str(number),
        )
        assert written["overrides"][-1] == f"loss.alpha={alpha}"
        assert set(words) - {"loss.alpha=0.25,0.5"} < set(written["overrides"])
    assert [trial.params for trial in load_trials("folders", sqlite(tmp_path))] == [
        {},
        {"loss.alpha": 0.25},
        {"loss.alpha": 0.5},
    ]


@pytest.mark.slow
def test_a_sweep_stops_after_too_many_failures_in_a_row(tmp_path):
    """Trains: a control, and trials that fail at once."""
    alphas = "loss.alpha=1e30,2e30,3e30,0.5"
    words = ("loss=soften_fn", alphas, "study.sampler=grid", "study.name=failing", PLAIN_ALONE)
    code, text = run_sweep(tmp_path, *words, "study.max_failures=2")
    assert code == 3, text
    assert "stopped" in text
    outcomes = [trial.user_attrs[OUTCOME] for trial in load_trials("failing", sqlite(tmp_path))]
    assert outcomes == ["complete", "failed:nonfinite", "failed:nonfinite"]
