"""What the samplers propose, on real studies: whole combinations, new ones, and in time good ones."""

import json
import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from fnmask.sweep.pruners import hyperband
from fnmask.sweep.samplers import UNIQUE, _Excerpt, _excerpt, build_sampler
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.study import CONTROL, OUTCOME, SESSION, WORKER

EVERY = ("tpe", "random", "quasi_random", "nsga2", "nsga3")
DRAWING = ("tpe", "random", "quasi_random")


def read(entries, when=None, zipped=(), hook=None):
    return read_space(entries, when=when or {}, class_names=tuple, zipped=zipped, hook=hook)


CONDITIONAL = read(
    {"loss": "a,b,c", "alpha": "interval(0,1)", "power": "int(interval(1,4))", "rate": "tag(log,interval(1e-4,1))"},
    {"alpha": {"loss": ["a", "b"]}, "power": {"loss": ["c"]}},
)
# (off, hard) * 2 seeds + on * 4 alphas * 2 seeds = 12 combinations.
CHOICES = read({"loss": "off,on,hard", "alpha": "1,2,3,4", "seed": "0,1"}, {"alpha": {"loss": ["on"]}})
SQUARE = read({"x": "interval(-1,1)", "y": "interval(-1,1)"})


@pytest.fixture(autouse=True)
def _quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def begin(name, space, *, seed=0, directions=("minimize",), storage=None, session=1, pruner=None):
    sampler = build_sampler(name, seed=seed, space=space, session=session)
    return optuna.create_study(sampler=sampler, directions=directions, storage=storage, pruner=pruner)


def run(study, space, value=lambda chosen: 0.5):
    trial = study.ask()
    chosen = space.suggest(trial)
    study.tell(trial, value(chosen))
    return chosen


def run_control(study, value=9.0):
    study.enqueue_trial({}, user_attrs={CONTROL: "plain"})
    study.tell(study.ask(), [value] * len(study.directions))


def fail(study, trial, outcome="failed:crash", session=1):
    trial.set_user_attr(OUTCOME, outcome)
    trial.set_user_attr(WORKER, {SESSION: session})
    study.tell(trial, state=TrialState.FAIL)


def key(chosen):
    return json.dumps(chosen, sort_keys=True)


def bowl(chosen):
    return (chosen["x"] - 0.3) ** 2 + (chosen["y"] + 0.4) ** 2


def is_of_conditional_space(chosen):
    keys = {"loss", "rate", "power" if chosen["loss"] == "c" else "alpha"}
    inside = 1e-4 <= chosen["rate"] <= 1 and 0 <= chosen.get("alpha", 0) <= 1 and chosen.get("power", 1) in range(1, 5)
    return set(chosen) == keys and inside


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("directions", [("minimize",), ("maximize", "minimize")], ids=["one", "two"])
def test_every_sampler_proposes_whole_combinations_of_a_conditional_space(name, directions):
    study = begin(name, CONDITIONAL, directions=directions)
    run_control(study)
    # More than a generation of the genetic ones.
    found = [run(study, CONDITIONAL, lambda chosen: [chosen["rate"]] * len(directions)) for _ in range(40)]
    assert all(map(is_of_conditional_space, found))
    assert {chosen["loss"] for chosen in found} == {"a", "b", "c"}
    assert [set(trial.params) for trial in study.trials[1:]] == [set(chosen) for chosen in found]


def test_cma_es_proposes_within_its_intervals():
    space = read({"x": "interval(-1,1)", "n": "int(interval(1,9))", "rate": "tag(log,interval(1e-4,1))"})
    study = begin("cma_es", space)
    run_control(study)
    found = [run(study, space, lambda chosen: chosen["x"] ** 2) for _ in range(30)]
    assert all(-1 <= c["x"] <= 1 and c["n"] in range(1, 10) and 1e-4 <= c["rate"] <= 1 for c in found)


@pytest.mark.parametrize("name", ["tpe", "nsga2", "quasi_random"])
def test_proposals_are_the_same_whether_controls_ran_first_or_not(name):
    def propose(controls):
        study = begin(name, SQUARE)
        for _ in range(controls):
            run_control(study)
        return [run(study, SQUARE, bowl) for _ in range(60)]

    assert propose(0) == propose(3)


@pytest.mark.parametrize(("name", "within"), [("tpe", 0.2), ("nsga2", 0.6), ("nsga3", 0.6), ("cma_es", 0.01)])
def test_a_search_gets_better_after_controls(name, within):
    study = begin(name, SQUARE)
    run_control(study)
    found = [bowl(run(study, SQUARE, bowl)) for _ in range(200)]
    # At random the mean is 2/3 + 0.3**2 + 0.4**2 = 0.92.
    assert np.mean(found[100:]) < within


def test_quasi_random_fills_the_square_evenly():
    study = begin("quasi_random", SQUARE)
    run_control(study)
    cells = [
        (math.floor(4 * (chosen["x"] + 1)), math.floor(4 * (chosen["y"] + 1)))
        for chosen in (run(study, SQUARE) for _ in range(64))
    ]
    # Of 64 points of a scrambled Sobol sequence each of 8 x 8 cells has one.
    assert len(set(cells)) == 64


@pytest.mark.parametrize("name", DRAWING)
def test_no_combination_twice_until_all_were_tried(name):
    study = begin(name, CHOICES)
    run_control(study)
    found = [key(run(study, CHOICES)) for _ in range(12)]
    assert len(set(found)) == 12 == CHOICES.n_combinations(99)
    # Then there is nothing new, and the sampler has to repeat one.
    assert key(run(study, CHOICES)) in found


@pytest.mark.parametrize("name", DRAWING)
def test_no_combination_that_is_running_is_proposed(name):
    study = begin(name, CHOICES)
    assert len({key(CHOICES.suggest(study.ask())) for _ in range(12)}) == 12


def test_the_same_on_sqlite_with_two_workers(tmp_path):
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    first = begin("tpe", CHOICES, storage=url)
    second = optuna.load_study(study_name=first.study_name, storage=url)
    second.sampler = build_sampler("tpe", seed=1, space=CHOICES)
    found = [key(run(study, CHOICES)) for _ in range(6) for study in (first, second)]
    assert len(set(found)) == 12


@pytest.mark.parametrize("name", DRAWING)
def test_what_failed_in_this_session_is_not_proposed_again(name):
    study = begin(name, CHOICES, session=2)
    trial = study.ask()
    failed = key(CHOICES.suggest(trial))
    fail(study, trial, session=2)
    found = [key(run(study, CHOICES)) for _ in range(11)]
    assert failed not in found
    assert len(set(found)) == 11


@pytest.mark.parametrize(
    ("outcome", "session"), [("failed:crash", 1), ("interrupted", 2)], ids=["earlier session", "interrupted"]
)
def test_what_failed_before_or_was_interrupted_is_proposed_again(outcome, session):
    study = begin("random", CHOICES, session=2)
    trial = study.ask()
    chosen = key(CHOICES.suggest(trial))
    fail(study, trial, outcome, session)
    assert chosen in {key(run(study, CHOICES)) for _ in range(12)}


def test_pruned_combinations_count_as_tried():
    study = begin("random", CHOICES)
    trial = study.ask()
    pruned = key(CHOICES.suggest(trial))
    study.tell(trial, state=TrialState.PRUNED)
    assert pruned not in {key(run(study, CHOICES)) for _ in range(11)}


def test_no_combination_twice_under_hyperband_which_hides_other_brackets():
    study = begin("random", CHOICES, pruner=hyperband(min_epochs=1, max_epochs=9, reduction=3).optuna)
    found = set()
    for _ in range(12):
        trial = study.ask()
        found.add(key(CHOICES.suggest(trial)))
        trial.report(0.5, 1)
        assert trial.should_prune() in (True, False)
        study.tell(trial, 0.5)
    assert len(found) == 12


def test_a_search_of_intervals_has_no_end():
    study = begin("random", SQUARE)
    assert len({key(run(study, SQUARE)) for _ in range(30)}) == 30


def test_zipped_choices_are_proposed_by_their_leader_and_once():
    space = read({"target": "road,road,water", "alpha": "0.25,0.5,1"}, zipped=[["target", "alpha"]])
    study = begin("tpe", space)
    found = [run(study, space) for _ in range(3)]
    assert sorted((chosen["alpha"], chosen["target"]) for chosen in found) == [
        (0.25, "road"),
        (0.5, "road"),
        (1, "water"),
    ]


def test_a_hook_may_ask_for_more():
    def hook(trial, chosen):
        return {"beta": trial.suggest_float("beta", 0, 1)} if chosen["loss"] == "on" else {}

    space = read({"loss": "on,off"}, hook=hook)
    study = begin("tpe", space)
    found = [run(study, space) for _ in range(20)]
    assert all(("beta" in chosen) == (chosen["loss"] == "on") for chosen in found)
    assert len({chosen["beta"] for chosen in found if "beta" in chosen}) > 3


@pytest.mark.parametrize("name", [*EVERY, "cma_es"])
def test_equal_seeds_propose_the_same_and_others_do_not(name):
    space = SQUARE if name == "cma_es" else CONDITIONAL

    def propose(seed):
        study = begin(name, space, seed=seed)
        return [run(study, space) for _ in range(12)]

    assert propose(3) == propose(3)
    assert propose(3) != propose(4)


@pytest.mark.parametrize("name", EVERY)
def test_an_enqueued_trial_keeps_what_it_was_given(name):
    study = begin(name, CONDITIONAL)
    for _ in range(10):
        run(study, CONDITIONAL, lambda chosen: chosen["rate"])
    given = {"loss": "b", "alpha": 0.125, "rate": 0.25}
    study.enqueue_trial(given)
    assert run(study, CONDITIONAL) == given
    study.enqueue_trial({"loss": "c"})
    left_open = run(study, CONDITIONAL)
    assert left_open["loss"] == "c"
    assert is_of_conditional_space(left_open)


def test_a_combination_that_was_enqueued_is_not_proposed():
    study = begin("tpe", CHOICES)
    study.enqueue_trial({"loss": "on", "alpha": 3, "seed": 1})
    found = [key(run(study, CHOICES)) for _ in range(12)]
    assert len(set(found)) == 12


def finished_trial(number, value, *, state=TrialState.COMPLETE, violation=None):
    """A trial as a study would return it."""
    values = {"values": value} if isinstance(value, list) else {"value": value}
    trial = optuna.trial.create_trial(
        state=state,
        **(values if state == TrialState.COMPLETE else {}),
        **({} if violation is None else {"constraints": {"metric": violation}}),
    )
    trial.number = number
    return trial


def numbers(trials):
    return [trial.number for trial in trials]


def test_an_excerpt_has_the_newest_half_and_the_best_of_the_others():
    # Of the older eight, those at 1, 3, 5 and 7 have the smallest values, and the newest four are the others.
    values = [4, 0, 6, 2, 7, 3, 5, 1, 9, 9, 9, 9]
    trials = [finished_trial(place, value) for place, value in enumerate(values)]
    minimize, maximize = optuna.study.StudyDirection.MINIMIZE, optuna.study.StudyDirection.MAXIMIZE
    assert numbers(_excerpt(trials, [minimize], 8)) == [1, 3, 5, 7, 8, 9, 10, 11]
    assert numbers(_excerpt(trials, [maximize], 8)) == [0, 2, 4, 6, 8, 9, 10, 11]
    assert numbers(_excerpt(trials, [minimize], 12)) == list(range(12))


def test_an_excerpt_of_several_objectives_has_the_best_in_each():
    values = [[0, 0], [5, 1], [1, 5], [2, 2], [3, 3], [9, 9], [9, 9], [9, 9], [9, 9]]
    trials = [finished_trial(place, value) for place, value in enumerate(values)]
    maximize = optuna.study.StudyDirection.MAXIMIZE
    # Four newest, and of the rest two that are best in either.
    assert numbers(_excerpt(trials, [maximize, maximize], 8)) == [1, 2, 4, 5, 6, 7, 8]


def test_an_excerpt_keeps_running_trials_and_prefers_the_feasible():
    trials = [
        finished_trial(0, 1.0, violation=-0.5),
        finished_trial(1, 9.0, violation=0.5),
        finished_trial(2, 8.0, violation=0.1),
        finished_trial(3, 0.5),
        optuna.trial.create_trial(state=TrialState.RUNNING),
        finished_trial(5, None, state=TrialState.PRUNED),
        finished_trial(6, 2.0),
    ]
    trials[4].number = 4
    maximize = optuna.study.StudyDirection.MAXIMIZE
    assert numbers(_excerpt(trials, [maximize], 4)) == [0, 3, 4, 5, 6]


def test_a_view_of_a_study_lacks_its_controls():
    study = begin("tpe", CHOICES)
    run_control(study)
    run(study, CHOICES)
    running = study.ask()
    for limit in (None, 4):
        seen = _Excerpt(study, study.get_trials(), limit)
        assert numbers(seen.get_trials()) == [1, running.number]
        assert numbers(seen._get_trials(states=[TrialState.COMPLETE])) == [1]
        assert seen.directions == study.directions


def add_random(study, space, count, value, seed):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        params = {name: float(generator.uniform(of.low, of.high)) for name, of in space.distributions.items()}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=dict(space.distributions), value=value(params))
        )


def test_tpe_still_proposes_near_the_optimum_after_many_trials():
    study = begin("tpe", SQUARE)
    add_random(study, SQUARE, 600, bowl, seed=0)
    found = [bowl(run(study, SQUARE, bowl)) for _ in range(30)]
    # A random proposal is within 0.05 of the optimum in pi * 0.05 / 4 = 4 of 100 cases.
    assert np.mean(np.array(found) < 0.05) > 0.6


def test_tpe_remembers_what_was_best_long_ago():
    study = begin("tpe", SQUARE)
    add_random(study, SQUARE, 450, bowl, seed=1)
    far = lambda params: 5.0 + params["x"]  # noqa: E731
    add_random(study, SQUARE, 450, far, seed=2)
    found = [bowl(run(study, SQUARE, bowl)) for _ in range(20)]
    assert np.mean(np.array(found) < 0.05) > 0.6


TWO = ("maximize", "maximize")


def test_tpe_of_several_objectives_prefers_what_keeps_to_the_constraint():
    # The more x the better in both, but beyond 0 the constraint is broken.
    study = begin("tpe", SQUARE, directions=TWO)
    chosen = []
    for _ in range(80):
        trial = study.ask()
        x = SQUARE.suggest(trial)["x"]
        trial.set_constraint("recall", x)
        study.tell(trial, [x, 2 * x])
        chosen.append(x)
    assert np.mean(np.array(chosen[40:]) <= 0) > 0.6
    # Without one it goes the other way.
    study = begin("tpe", SQUARE, directions=TWO)
    free = [run(study, SQUARE, lambda chosen: [chosen["x"], 2 * chosen["x"]])["x"] for _ in range(80)]
    assert np.mean(np.array(free[40:]) > 0) > 0.8


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "random", "quasi_random"])
def test_pruned_and_failed_trials_of_several_objectives_break_nothing(name):
    study = begin(name, CONDITIONAL, directions=TWO)
    for place in range(60):
        trial = study.ask()
        rate = CONDITIONAL.suggest(trial)["rate"]
        if place % 3 == 0:
            study.tell(trial, state=TrialState.PRUNED)
        elif place % 7 == 0:
            fail(study, trial)
        else:
            study.tell(trial, [rate, -rate])
    assert sum(trial.state == TrialState.COMPLETE for trial in study.trials) == 60 - 20 - 6


def test_samplers_that_breed_a_population_may_repeat_a_combination():
    assert set(UNIQUE) == {"tpe", "random", "quasi_random", "grid"}
    study = begin("nsga2", CHOICES)
    assert len({key(run(study, CHOICES)) for _ in range(60)}) <= 12


@pytest.mark.parametrize("name", EVERY)
def test_only_what_does_not_learn_is_drawn_ahead(name):
    study, space = begin(name, CONDITIONAL), CONDITIONAL
    ahead = study.sampler.draw_ahead(study, 5)
    assert len(ahead) == (5 if name in ("random", "quasi_random") else 0)
    # The very ones that would have come one by one.
    other = begin(name, space)
    assert ahead == [run(other, space) for _ in ahead]


def test_what_is_drawn_ahead_is_new_while_there_is_something_new():
    study = begin("random", CHOICES)
    first = [run(study, CHOICES) for _ in range(4)]
    ahead = study.sampler.draw_ahead(study, 8)
    assert len({json.dumps(chosen, sort_keys=True) for chosen in (*first, *ahead)}) == 12
