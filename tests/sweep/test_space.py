"""What a search space makes of its parameters: combinations, conditions, zipped values, a hook's own."""

import itertools

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.binding import ConfigError
from fnmask.sweep.space_reader import read_space


def read(entries, when=None, zipped=(), hook=None):
    return read_space(entries, when=when or {}, class_names=tuple, zipped=zipped, hook=hook)


NESTED = ({"a": "choice(1,2)", "b": "choice(x,y)", "c": "choice(5,6)"}, {"c": {"b": ["y"]}, "b": {"a": [2]}})


def values_of(combinations):
    return {(name, value) for chosen in combinations for name, value in chosen.items()}


def test_a_parameter_is_asked_when_its_condition_holds():
    assert list(read(*NESTED).combinations()) == [
        {"a": 1},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y", "c": 5},
        {"a": 2, "b": "y", "c": 6},
    ]


def test_a_condition_may_have_two_parts():
    when = {"c": {"a": [1], "b": [True]}}
    space = read({"a": "choice(1,2)", "b": "choice(true,false)", "c": "choice(7,8)"}, when)
    asked = [chosen for chosen in space.combinations() if "c" in chosen]
    assert asked == [{"a": 1, "b": True, "c": 7}, {"a": 1, "b": True, "c": 8}]


def test_suggest_asks_for_what_applies():
    space = read({"alpha": "interval(0,1)", "loss": "choice(on,off)"}, {"alpha": {"loss": ["on"]}})
    assert space.suggest(optuna.trial.FixedTrial({"loss": "off", "alpha": 0.5})) == {"loss": "off"}
    assert space.suggest(optuna.trial.FixedTrial({"loss": "on", "alpha": 0.5})) == {"loss": "on", "alpha": 0.5}


def test_suggest_gives_the_zipped_values_too_and_asks_optuna_for_the_leader_alone():
    space = read({"target": "road,road,water", "alpha": "0.25,0.5,1"}, zipped=[["target", "alpha"]])
    trial = optuna.trial.FixedTrial({"alpha": 0.5})
    assert space.suggest(trial) == {"alpha": 0.5, "target": "road"}
    assert list(trial.params) == ["alpha"]
    assert space.overrides({"alpha": 1}) == ("alpha=1", "target=water")
    assert space.keys == ("alpha", "target")


def test_a_condition_on_a_follower_looks_at_its_value():
    space = read({"a": "1,2", "b": "x,y", "c": "5,6"}, {"c": {"b": ["y"]}}, [["a", "b"]])
    assert space.suggest(optuna.trial.FixedTrial({"a": 1, "c": 5})) == {"a": 1, "b": "x"}
    assert space.suggest(optuna.trial.FixedTrial({"a": 2, "c": 5})) == {"a": 2, "b": "y", "c": 5}


def test_a_hook_sees_what_was_chosen_and_adds_to_it():
    def narrower(trial, chosen):
        return {"beta": trial.suggest_float("beta", 0, chosen["alpha"]), "alpha_text": f"a{chosen['alpha']}"}

    space = read({"alpha": "choice(0.25,0.5)"}, hook=narrower)
    trial = optuna.trial.FixedTrial({"alpha": 0.5, "beta": 0.125})
    assert space.suggest(trial) == {"alpha": 0.5, "beta": 0.125, "alpha_text": "a0.5"}
    assert trial.distributions["beta"].high == 0.5
    assert space.n_combinations(99) is None


def test_a_hook_may_be_all_there_is():
    space = read({}, hook=lambda trial, chosen: {"x": trial.suggest_int("x", 1, 2)})
    assert space.suggest(optuna.trial.FixedTrial({"x": 2})) == {"x": 2}
    assert space.first() == {}


def test_a_hook_sees_zipped_values():
    space = read({"a": "1,2", "b": "x,y"}, zipped=[["a", "b"]], hook=lambda trial, chosen: {"c": chosen["b"] * 2})
    assert space.suggest(optuna.trial.FixedTrial({"a": 2})) == {"a": 2, "b": "y", "c": "yy"}


def test_combinations_are_counted_up_to_a_limit():
    space = read(*NESTED)
    assert [space.n_combinations(limit) for limit in (3, 4, 99)] == [None, 4, 4]
    assert read({"a": "1,2", "b": "interval(0,1)"}).n_combinations(99) is None
    assert read({"a": "x,x,y"}).n_combinations(99) == 2
    # Counting stops at the limit, however many there are.
    assert read({f"k{i}": "choice(1,2,3,4,5,6,7,8,9,10)" for i in range(40)}).n_combinations(50) is None


def test_a_grid_has_no_interval_but_a_sample_has_its_ends():
    space = read({"a": "interval(0.5,2)", "b": "1,2"})
    with pytest.raises(ConfigError, match=r"a: an interval has no list of values. Write it as choice\(...\)."):
        list(space.combinations())
    assert [(chosen["a"], chosen["b"]) for chosen in space.samples()] == [(0.5, 1), (0.5, 2), (2, 1), (2, 2)]


def test_combinations_of_some_keys_respect_their_conditions():
    entries = {"seed": "0,1", "net": "tiny,unet", "net.encoder": "vgg16,vgg19", "alpha": "interval(0,1)"}
    space = read(entries, {"net.encoder": {"net": ["unet"]}})
    assert list(space.combinations_of([])) == [{}]
    assert list(space.combinations_of(["net.encoder"])) == [{}, {"net.encoder": "vgg16"}, {"net.encoder": "vgg19"}]
    assert len(list(space.combinations_of(["seed", "net", "net.encoder"]))) == 2 * 3


def test_combinations_of_zipped_keys_go_by_their_places():
    entries = {"rate": "0.1,0.2,0.3", "epochs": "5,5,9", "alpha": "0,1"}
    space = read(entries, zipped=[["epochs", "rate"]])
    assert list(space.combinations_of(["epochs"])) == [{"epochs": 5}, {"epochs": 9}]
    assert list(space.combinations_of(["rate", "epochs"])) == [
        {"rate": 0.1, "epochs": 5},
        {"rate": 0.2, "epochs": 5},
        {"rate": 0.3, "epochs": 9},
    ]
    assert len(list(space.combinations_of(["epochs", "alpha"]))) == 4


def test_combinations_of_a_key_whose_condition_names_a_follower():
    space = read({"a": "1,2", "b": "x,y", "c": "5,6"}, {"c": {"b": ["y"]}}, [["a", "b"]])
    assert list(space.combinations_of(["c"])) == [{}, {"c": 5}, {"c": 6}]


def test_each_value_once_reaches_values_behind_two_conditions():
    assert values_of(read(*NESTED).each_value_once()) == {
        *(("a", 1), ("a", 2), ("b", "x"), ("b", "y"), ("c", 5), ("c", 6)),
    }


def test_each_value_once_where_the_first_value_of_a_condition_contradicts_another():
    # c may be asked for with a 1, but then b is not, which c needs as well: only a 2 will do.
    when = {"b": {"a": [2]}, "c": {"a": [1, 2], "b": [5, 6]}}
    found = list(read({"a": "1,2", "b": "5,6", "c": "interval(0,1)"}, when).each_value_once())
    assert values_of(found) == {("a", 1), ("a", 2), ("b", 5), ("b", 6), ("c", 0), ("c", 1)}
    assert all("c" not in chosen or chosen["a"] == 2 for chosen in found)


def test_each_value_once_with_zipped_choices():
    space = read({"a": "1,2,3", "b": "x,x,y", "c": "5,6"}, {"c": {"b": ["y"]}}, [["a", "b"]])
    assert values_of(map(space.expand, space.each_value_once())) == {
        *(("a", 1), ("a", 2), ("a", 3), ("b", "x"), ("b", "y"), ("c", 5), ("c", 6)),
    }


@st.composite
def conditional_spaces(draw):
    """Up to five parameters, each of which may hang on one or two of those before it."""
    names = "abcde"[: draw(st.integers(1, 5))]
    sizes = {name: draw(st.integers(1, 3)) for name in names}
    when = {}
    for place, name in enumerate(names):
        parents = draw(st.sets(st.sampled_from(names[:place]), max_size=2)) if place else set()
        conditions = {
            other: sorted(draw(st.sets(st.integers(0, sizes[other] - 1), min_size=1))) for other in sorted(parents)
        }
        if conditions:
            when[name] = conditions
    return sizes, when


def by_brute_force(sizes, when):
    """Every combination: of all assignments, what is left when parameters that are not asked are taken out."""
    found = []
    for values in itertools.product(*(range(size) for size in sizes.values())):
        chosen = {}
        for name, value in zip(sizes, values, strict=True):
            if all(chosen.get(other) in allowed for other, allowed in when.get(name, {}).items()):
                chosen[name] = value
        if chosen not in found:
            found.append(chosen)
    return found


@settings(max_examples=60, deadline=None)
@given(conditional_spaces())
def test_combinations_and_reachability_as_by_brute_force(drawn):
    sizes, when = drawn
    expected = by_brute_force(sizes, when)
    reachable = {name for chosen in expected for name in chosen}
    entries = {name: ",".join(map(str, range(size))) if size > 1 else "choice(0)" for name, size in sizes.items()}
    if reachable != set(sizes):
        with pytest.raises(ConfigError) as caught:
            read(entries, when)
        named = {fault.removeprefix("study.when.").partition(":")[0] for fault in caught.value.faults}
        assert named == set(sizes) - reachable
        return
    space = read(entries, when)
    found = list(space.combinations())
    assert len(found) == len(expected)
    assert all(chosen in expected for chosen in found)
    assert space.n_combinations(len(expected)) == len(expected)
    once = list(space.each_value_once())
    assert values_of(once) == values_of(expected)
    assert all(chosen in expected for chosen in once)


def test_describe():
    entries = {"a": "choice(1,x)", "b": "interval(0,1)", "c": "tag(log,int(interval(1,8)))", "d": "1,2", "e": "z,z"}
    assert read(entries, {"b": {"a": ["x"]}}, [["e", "d"]]).describe() == {
        "a": "choice(1, x)",
        "b": "interval(0, 1) when a in ['x']",
        "c": "log integer interval(1, 8)",
        "d": "choice(1, 2)",
        "e": "choice(z, z) zipped with d",
    }
