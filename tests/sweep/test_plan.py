"""A sweep decided against the real `conf/` and `sweeps/`, as the sweeper does it, without training."""

import pytest
from composing import make_camvid

from fnmask.binding import ConfigError
from fnmask.config import digest
from fnmask.sweep.study import Control
from fnmask.sweep.wording import describe_plan

DIRECTIONS = {"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize"}

# The smallest search by hand.
BY_HAND = ("loss.alpha=0.25,0.5", "study.n_trials=5")


def controls(found):
    return [(control.name, control.overrides) for control in found.controls]


def test_quickstart(plan):
    found = plan("+sweeps=quickstart")
    assert found.name == "quickstart"
    assert controls(found) == [
        (name, ("+sweeps=quickstart", f"loss={name}", "weighting=none", f"seed={seed}"))
        for name in ("plain", "class_downweight")
        for seed in (0, 1, 2)
    ]
    assert found.n_trials == len(found.controls) + len(found.grid)
    assert found.study.directions == DIRECTIONS
    # A trial finds the control of its own seed.
    references = {control.overrides[-1]: control.reference for control in found.controls}
    assert len(set(references.values())) == 3
    assert found.base.reference == references["seed=0"]


def test_which_class_takes_its_classes_and_its_name_from_the_data(plan):
    found = plan("+sweeps=which_class")
    assert found.name == "which_class_aerial"
    assert found.space.choices("loss.target") == ("land", "building", "road", "vegetation", "water")
    assert found.grid is None
    assert found.study.directions == DIRECTIONS
    assert len(found.controls) < found.n_trials


def test_by_hand(plan):
    found = plan(*BY_HAND, "loss=attenuate_fn", "trainer.epochs=4")
    fixed = ("study.n_trials=5", "loss=attenuate_fn", "trainer.epochs=4")
    assert found.overrides({"loss.alpha": 0.25}) == (*fixed, "loss.alpha=0.25")
    # Without a name, the same command finds its study again, and another search does not.
    assert found.name == "sweep_" + digest(found.fingerprint)[:8]
    assert found.name != plan(*BY_HAND, "loss=attenuate_fn", "trainer.epochs=5").name


def test_the_budget_and_where_things_lie_are_no_part_of_the_fingerprint(plan, tmp_path):
    fingerprint = plan(*BY_HAND).fingerprint
    assert fingerprint == plan(BY_HAND[0], "study.n_trials=9", f"root={tmp_path}", "tracking=none").fingerprint
    assert fingerprint["trainer.epochs"] == 10
    assert fingerprint["loss.target"] == "road"
    assert "loss.alpha" not in fingerprint
    assert fingerprint["space"] == {"loss.alpha": "choice(0.25, 0.5)"}


def test_a_grid_may_be_cut_short(plan):
    assert plan("+sweeps=quickstart", "study.n_trials=7").n_trials == 7


def test_one_sweep_for_one_list_of_classes(faults, tmp_path):
    make_camvid(tmp_path)
    (found,) = faults(
        "dataset=camvid,aerial",
        "study.when={dataset.root:{dataset:[camvid]}}",
        f"dataset.root=choice('{tmp_path}')",
        "study.n_trials=20",
    )
    assert found.startswith("dataset: the trials of a sweep must share one list of classes.")


def test_directions(plan, faults):
    (found,) = faults(*BY_HAND, "study.directions={val/iou/raod:maximize}")
    assert found.startswith("study.directions: got 'val/iou/raod'. Did you mean val/iou/road? Allowed: val/miou, ")
    (found,) = faults(*BY_HAND, "study.directions={tradeoff/others_gain:up}")
    assert found == "study.directions.tradeoff/others_gain: got 'up'. Input should be 'maximize' or 'minimize'."
    assert plan(*BY_HAND).study.directions == {"tradeoff/others_gain": "maximize"}
    found = plan(*BY_HAND, "study.directions={val/iou/road:maximize}")
    assert list(found.study.directions) == ["val/iou/road"]
    found = plan("+sweeps=which_class", "+study.directions={val/iou/road:maximize}")
    assert list(found.study.directions) == [*DIRECTIONS, "val/iou/road"]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["loss.alpha=0.25,0.5"], "study.n_trials: missing. Give study.n_trials=N, of which 2 are controls."),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=1"],
            "study.n_trials: got 1, and 2 of them are controls. Give more.",
        ),
        (
            ["seed=0,1,2", "study.n_trials=3"],
            "study.n_trials: got 3, and 6 of them are controls. Give more.",
        ),
        (["study.n_trials=0", "seed=0,1"], "study.n_trials: got 0. Input should be greater than or equal to 1."),
        (
            ["study.n_trials=3", "loss=plain"],
            "study.space: nothing is searched. Give a preset (+sweeps=NAME) or KEY=choice(...).",
        ),
        (
            ["study.sampler=grid", "loss.alpha=interval(0,1)"],
            "loss.alpha: an interval has no list of values. Write it as choice(...).",
        ),
        (
            ["seed=0,1", "study.n_trials=9", "study.name='{datset}'"],
            "study.name: got '{datset}'. Allowed in braces: {",
        ),
        (["seed=0,1", "study.n_trials=9", "study.name='../x'"], "study.name: got '../x'. Allowed: letters, digits, "),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=2", "study.sampler=grid"],
            "study.n_trials: got 2, and 2 of them are controls. Give more.",
        ),
        (
            ["seed=0,1", "study.n_trials=9", "study.name='{dataset.root}'"],
            "study.name: got '{dataset.root}'. Allowed in braces: {",
        ),
        (["loss.alpha=interval(0,inf)", "study.n_trials=9"], "loss.alpha: got the interval from 0 to inf."),
        (
            ["loss=plain,soften_fn", "loss.alpha=interval(0,1)", "study.when={loss:{loss.alpha:[0.5]}}"],
            "study.when.loss.loss.alpha: loss.alpha is an interval. A condition needs a choice(...).",
        ),
        (
            ["seed=0,1", "study.n_trials=9", "study.seeds=2"],
            "study.seeds: seed is searched as well. Give study.seeds=1, or take seed out of the space.",
        ),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=9", "study.constraints={val/miuo: '>= 0.3'}"],
            "study.constraints: got 'val/miuo'. Did you mean val/miou?",
        ),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=9", "study.hook=fnmask.nowhere.hook"],
            "study.hook: got 'fnmask.nowhere.hook': No module named 'fnmask.nowhere'. Give PACKAGE.MODULE.FUNCTION",
        ),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=9", "study.hook=fnmask.__version__"],
            "study.hook: 'fnmask.__version__' is no function of (trial, chosen).",
        ),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=9", "study.sampler=cma_es"],
            "loss.alpha: study.sampler=cma_es takes intervals alone. Write interval(...), or sampler=tpe.",
        ),
        (
            ["loss.alpha=interval(0,1)", "study.n_trials=9", "study.sampler=cma_es"],
            "study.space: study.sampler=cma_es needs two intervals or more. Take sampler=tpe.",
        ),
        (
            ["+sweeps=quickstart", "study/pruner=median"],
            "study.pruner: it looks at one objective, and study.directions has 2. Take study/pruner=dominance",
        ),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=9", "study/pruner=asha", "study.pruner.reduction=1"],
            "study.pruner.reduction: got 1. Input should be greater than or equal to 2.",
        ),
        (
            ["loss.alpha=0.25,0.5", "study.n_trials=9", "study.zip=[[loss.alpha,loss.power]]"],
            "study.zip: loss.power is not searched. Searched: loss.alpha.",
        ),
    ],
)
def test_a_sweep_that_cannot_be(faults, words, fault):
    (found,) = faults(*words)
    assert found.startswith(fault)


def test_a_grid_needs_no_number_of_trials(plan):
    found = plan("loss.alpha=0.25,0.5", "seed=0,1", "study.sampler=grid")
    assert found.n_trials == 4 + 4


def test_every_fault_of_the_options_with_the_values_that_make_it(faults):
    found = faults("loss.target=road,raod", "loss.alpha=0.5,-1", "study.n_trials=20")
    assert len(found) == 4
    assert any(
        fault.startswith("loss.alpha: got -1.") and fault.endswith("[with loss.target=road loss.alpha=-1]")
        for fault in found
    )
    assert any(fault.startswith("loss.target: got 'raod'") for fault in found)


def test_both_ends_of_an_interval_are_checked(faults):
    assert faults("optimizer.momentum=interval(0,1)", "study.n_trials=20", "study.directions={val/miou:maximize}") == (
        "optimizer.momentum: got 1.0. Input should be less than 1.  [with optimizer.momentum=1.0]",
    )
    # The lower end is that of the first trial, which is checked before anything else.
    assert faults("loss.alpha=interval(-1,1)", "study.n_trials=20") == (
        "loss.alpha: got -1.0. Input should be greater than or equal to 0.",
    )


def test_a_large_space_is_checked_option_by_option(faults):
    names = ("optimizer.learning_rate", "optimizer.weight_decay", "trainer.batch_size", "loss.alpha")
    (found,) = faults(*(f"{name}=1,2,3" for name in names[:-1]), "loss.alpha=1,2,-3", "study.n_trials=99")
    told = " ".join(f"{name}={value}" for name, value in zip(names, (1, 1, 1, -3), strict=True))
    assert found == f"loss.alpha: got -3. Input should be greater than or equal to 0.  [with {told}]"


def test_a_key_that_only_some_options_have_needs_a_condition(plan, faults):
    words = ("loss=plain,soften_fn", "loss.alpha=0.25,0.5", "study.n_trials=9")
    (found, *_) = faults(*words)
    assert found.startswith("loss.alpha: unknown key. Allowed: loss.target.")
    found = plan(*words, "study.when={loss.alpha:{loss:[soften_fn]}}")
    assert list(found.space.combinations()) == [
        {"loss": "plain"},
        {"loss": "soften_fn", "loss.alpha": 0.25},
        {"loss": "soften_fn", "loss.alpha": 0.5},
    ]


def test_the_plan_in_words(plan):
    assert describe_plan(plan("+sweeps=quickstart", "seed=7")).splitlines() == [
        "sweep quickstart: 5 trials, 2 of them controls",
        "  loss = choice(ignore_fn, attenuate_fn, soften_fn)",
        "  3 combinations; sampler grid",
        "  objective tradeoff/others_gain: maximize",
        "  objective tradeoff/target_cost: minimize",
        "  control plain: loss=plain weighting=none",
        "  control class_downweight: loss=class_downweight weighting=none",
    ]
    words = ("loss.alpha=interval(0,1)", "study.n_trials=5", "study.seeds=3")
    bounded = plan(*words, "study.constraints={val/recall/road: '>= 0.3'}")
    assert describe_plan(bounded).splitlines() == [
        f"sweep {bounded.name}: 5 trials, 2 of them controls, each with 3 seeds",
        "  loss.alpha = interval(0, 1)",
        "  an interval, so any number of combinations; sampler tpe",
        "  objective tradeoff/others_gain: maximize",
        "  constraint val/recall/road >= 0.3",
        "  control plain: loss=plain weighting=none",
        "  control class_downweight: loss=class_downweight weighting=none",
    ]


def test_the_plan_in_words_with_the_best_known(plan):
    found = plan("+sweeps=quickstart", "seed=7")
    known = Control("best_known", ("+sweeps=quickstart", "seed=7", "loss=soften_fn", "loss.alpha=0.2"), "ref")
    told = describe_plan(found, (*found.controls, known)).splitlines()
    # A whole grid has room for one more.
    assert told[0] == "sweep quickstart: 6 trials, 3 of them controls"
    assert told[-1] == "  control best_known: loss=soften_fn loss.alpha=0.2"
    assert describe_plan(plan(*BY_HAND), n_trials=9).startswith(f"sweep {plan(*BY_HAND).name}: 9 trials, 2 of")


def test_no_combination_is_run_twice_so_there_may_be_fewer_trials(plan):
    assert plan(BY_HAND[0], "study.n_trials=99").n_trials == 2 + 2
    assert plan(BY_HAND[0], "study.n_trials=99", "study.sampler=nsga2").n_trials == 99
    assert plan("loss.alpha=interval(0,1)", "study.n_trials=99").n_trials == 99


def test_what_else_makes_another_search(plan):
    fingerprint = plan(*BY_HAND).fingerprint
    assert not {"seeds", "constraints", "pruner", "hook"} & set(fingerprint)
    other = plan(*BY_HAND, "study.seeds=2", "study/pruner=asha", "study.constraints={val/miou: '>= 0.1'}").fingerprint
    assert {key: other[key] for key in set(other) - set(fingerprint)} == {
        "seeds": 2,
        "constraints": {"val/miou": ">= 0.1"},
        "pruner": {"_target_": "fnmask.sweep.pruners.asha", "min_epochs": 2, "reduction": 3},
    }


def test_zipped_choices_make_a_grid_of_pairs(plan):
    words = ("loss.alpha=0.1,0.2", "loss.warmup_epochs=1,2", "study.zip=[[loss.alpha,loss.warmup_epochs]]")
    found = plan(*words, "study.sampler=grid")
    assert [found.overrides(found.space.expand(chosen))[-2:] for chosen in found.grid] == [
        ("loss.alpha=0.1", "loss.warmup_epochs=1"),
        ("loss.alpha=0.2", "loss.warmup_epochs=2"),
    ]


def ask_for_more(trial, chosen):
    return {"loss.alpha": trial.suggest_float("alpha", 0, 0.5) if chosen["loss"] == "soften_fn" else None}


def test_a_hook_is_tried_before_anything_is_trained(plan, faults, monkeypatch):
    monkeypatch.setattr("fnmask.sweep.plan.hooked", ask_for_more, raising=False)
    words = ("loss=soften_fn,attenuate_fn", "study.n_trials=9", "study.hook=fnmask.sweep.plan.hooked")
    told = "loss.alpha: got None. Input should be a valid number.  [with loss=attenuate_fn loss.alpha=null]"
    assert faults(*words) == (told,)
    found = plan("loss=soften_fn,soften_fn", "seed=0,1", *words[1:])
    assert found.n_combinations is None
    assert found.n_trials == 9
    assert "  and what fnmask.sweep.plan.hooked asks for" in describe_plan(found)


@pytest.mark.parametrize("words", [(), ("+sweeps=quickstart",), BY_HAND])
def test_a_run_is_not_repeated_by_a_sweep(plan, words):
    with pytest.raises(ConfigError, match=r"from_run: belongs to .*, without --multirun"):
        plan("+from_run=0123456789ab", *words)
