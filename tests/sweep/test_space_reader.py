"""What may be written in `study.space`, `study.when` and `study.zip`, and what is refused by name."""

import optuna
import pytest
from composing import compose_config
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from fnmask.binding import ConfigError
from fnmask.sweep.grammar import override, split_arguments
from fnmask.sweep.space_reader import read_space

CLASSES = ("sky", "low plants", "a,b", "null", "it's", "1")


def read(entries, when=None, zipped=()):
    return read_space(entries, when=when or {}, class_names=lambda: CLASSES, zipped=zipped)


def distribution(text):
    return read({"x": text}).distributions["x"]


def faults(entries, when=None, zipped=()):
    with pytest.raises(ConfigError) as caught:
        read(entries, when, zipped)
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choice(1,2)", CategoricalDistribution([1, 2])),
        ("a,b", CategoricalDistribution(["a", "b"])),
        ("choice(true,0.5,word)", CategoricalDistribution([True, 0.5, "word"])),
        ("interval(0,1)", FloatDistribution(0, 1)),
        ("interval(1,100)", FloatDistribution(1, 100)),
        ("int(interval(1,8))", IntDistribution(1, 8)),
        ("tag(log,interval(1e-5,0.1))", FloatDistribution(1e-5, 0.1, log=True)),
        ("tag(log,int(interval(1,100)))", IntDistribution(1, 100, log=True)),
        ("int(tag(log,interval(1,100)))", IntDistribution(1, 100, log=True)),
    ],
)
def test_hydra_grammar_to_optuna(text, expected):
    found = distribution(text)
    assert found == expected
    if isinstance(expected, CategoricalDistribution):
        assert [type(value) for value in found.choices] == [type(value) for value in expected.choices]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("interval(1,0)", "x: got the interval from 1 to 0. It needs start < end, both finite."),
        ("interval(1,1)", "x: got the interval from 1 to 1. It needs start < end, both finite."),
        ("tag(log,interval(0,1))", "x: got the interval from 0 to 1. It needs 0 < start < end, both finite."),
        ("tag(lin,interval(0,1))", "x: got the tag lin. Allowed: log."),
        ("5", "x: got 'x=5'. Write choice(a,b), interval(a,b) or tag(log,interval(a,b))."),
        ("glob(*)", "x: got 'x=glob(*)'. Write choice(a,b), "),
        ("choice(1", "x: got 'choice(1': "),
        ("choice()", "x: got 'choice()': "),
        ("range(5,5)", "x: got 'x=range(5,5)', which holds no value. Write choice(a,b)."),
    ],
)
def test_what_cannot_be_searched(text, fault):
    (found,) = faults({"x": text})
    assert found.startswith(fault)


def test_null_in_choice_says_what_to_write():
    (found,) = faults({"x": "choice(null,1)"})
    assert found.endswith("Hydra's choice(...) takes no null: write the bare list, null,OTHER.")
    assert distribution("null,1").choices == (None, 1)


@pytest.mark.parametrize(
    "text",
    ["range(0,5)", "range(3)", "range(10,0,-3)", "range(0,1,0.25)", "range(0,1,0.05)", "range(0,50)", "range(0,100,5)"],
)
def test_range_is_refused_with_something_that_has_its_values(text):
    (found,) = faults({"x": text})
    assert found.startswith("x: range(...) is refused: Hydra leaves out its end, Optuna counts it in. Write x=")
    advice = distribution(found.partition("Write x=")[2])
    expected = list(OverridesParser.create().parse_override(f"x={text}").value().range())
    if isinstance(advice, IntDistribution):
        assert list(range(advice.low, advice.high + 1)) == expected
    else:
        assert list(advice.choices) == expected


def test_all_faults_of_a_space_at_once():
    assert len(faults({"x": "5", "y": "range(2)", "z": "interval(1,0)"}, {"w": {"x": [1]}}, [["x"]])) == 5


def test_a_value_given_twice_is_one_choice():
    assert distribution("choice(x,x,y)").choices == ("x", "y")


@pytest.mark.parametrize(
    ("text", "equal"),
    [("choice(1,2,1.0)", "1, 1.0"), ("choice(true,1)", "True, 1"), ("choice(0,0.0,false)", "0, 0.0, ")],
)
def test_choices_that_optuna_takes_for_one_are_refused(text, equal):
    (found,) = faults({"x": text})
    assert found.startswith(f"x: got {equal}")
    assert found.endswith("which are equal. Keep one of them.")


def test_every_class_stands_for_the_names():
    assert distribution("every_class").choices == ("sky", "low plants", "'a,b'", "'null'", r"'it\'s'", "'1'")


def read_back(value):
    value = OverridesParser.create().parse_override(override("loss.target", value)).value()
    return getattr(value, "text", value)


def test_class_names_come_back_from_their_overrides():
    assert tuple(map(read_back, distribution("every_class").choices)) == CLASSES


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("dataset.crop_size", "[96,96],null,[64,32]", [[96, 96], None, [64, 32]]),
        ("trainer.steps_per_epoch", "null,5", [None, 5]),
        ("trainer.jit_compile", "choice(true,false)", [True, False]),
        ("optimizer.learning_rate", "choice(1e-5,0.1,1)", [1e-5, 0.1, 1]),
        ("study.hook", "choice('null','true','1','a b',\"it's\",'a,b',a b)", None),
        ("loss.target", "choice([road,water],'low plants')", [["road", "water"], "low plants"]),
        ("weighting.weights", "choice({road:0.5},{water:2})", [{"road": 0.5}, {"water": 2}]),
    ],
)
def test_choices_come_back_through_hydra(key, text, expected):
    expected = expected or ["null", "true", "1", "a b", "it's", "a,b"]
    found = []
    for value in read({key: text}).choices(key):
        # As a trial gets it: chosen by Optuna, written down, composed.
        chosen = optuna.trial.FixedTrial({key: value}).suggest_categorical(key, [value])
        extra = ["weighting=manual"] if key.startswith("weighting") else []
        node = compose_config(*extra, override(key, chosen))
        group, _, name = key.partition(".")
        found.append(node[group][name])
    assert found == expected
    assert [type(value) for value in found if isinstance(value, bool | str | int | float)] == [
        type(value) for value in expected if isinstance(value, bool | str | int | float)
    ]


def test_conditions_in_any_order():
    space = read({"c": "choice(5,6)", "b": "choice(x,y)", "a": "choice(1,2)"}, {"c": {"b": ["y"]}, "b": {"a": [2]}})
    assert list(space.distributions) == ["a", "b", "c"]


def test_circular_conditions():
    when = {"a": {"b": [1]}, "b": {"a": [1]}}
    assert faults({"a": "1,2", "b": "1,2", "c": "1,2"}, when) == ("study.when: a, b depend on each other in a circle.",)
    assert faults({"a": "1,2"}, {"a": {"a": [1]}}) == ("study.when: a depend on each other in a circle.",)


@pytest.mark.parametrize(
    ("when", "fault"),
    [
        ({"x": {"a": [1]}}, "study.when: x is not searched. Searched: a, b, c."),
        ({"a": {"x": [1]}}, "study.when: x is not searched. Searched: a, b, c."),
        ({"a": {"b": [3]}}, "study.when.a.b: got [3]. Allowed: 1, 2."),
        ({"a": {"b": []}}, "study.when.a.b: got []. Allowed: 1, 2."),
        ({"a": {"c": [0]}}, "study.when.a.c: c is an interval. A condition needs a choice(...)."),
    ],
)
def test_a_condition_on_a_value_that_there_is_not(when, fault):
    assert faults({"a": "1,2", "b": "1,2", "c": "interval(0,1)"}, when) == (fault,)


def test_conditions_that_contradict_each_other_are_refused_by_name():
    # c wants a 1, and b, which is asked for when a is 2 alone.
    when = {"b": {"a": [2]}, "c": {"a": [1], "b": [5]}, "d": {"a": [1]}}
    assert faults({"a": "1,2", "b": "5,6", "c": "7,8", "d": "1,2"}, when) == (
        "study.when.c: never asked: no combination of a, b meets its condition, given their own conditions.",
    )


def test_what_hangs_on_something_unreachable_is_named_as_well():
    when = {"b": {"a": [2]}, "c": {"a": [1], "b": [5]}, "d": {"c": [7]}}
    found = faults({"a": "1,2", "b": "5,6", "c": "7,8", "d": "1,2"}, when)
    assert [fault.partition(":")[0] for fault in found] == ["study.when.c", "study.when.d"]


def test_a_condition_that_two_parents_meet_in_one_place_alone_is_taken():
    when = {"c": {"a": [3], "b": [3]}}
    assert list(read({"a": "1,2,3", "b": "1,2,3", "c": "0,1"}, when).distributions) == ["a", "b", "c"]


def test_of_zipped_choices_one_whose_values_all_differ_leads():
    space = read({"a": "x,x,y", "b": "1,2,3"}, zipped=[["a", "b"]])
    assert space.zipped == {"b": {"a": ("x", "x", "y")}}
    assert list(space.distributions) == ["b"]
    assert read({"a": "x,y", "b": "1,2"}, zipped=[["b", "a"]]).zipped == {"b": {"a": ("x", "y")}}


def test_three_keys_and_two_lists_may_be_zipped():
    entries = {"a": "1,2", "b": "3,4", "c": "5,5", "d": "x,y", "e": "z,z"}
    space = read(entries, zipped=[["c", "a", "b"], ["e", "d"]])
    assert space.zipped == {"a": {"c": (5, 5), "b": (3, 4)}, "d": {"e": ("z", "z")}}
    assert space.n_combinations(99) == 4


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        (["a"], "study.zip: got [a]. Give two keys or more."),
        ([], "study.zip: got []. Give two keys or more."),
        (["a", "x"], "study.zip: x is not searched. Searched: a, b, c, d, e, f."),
        (["a", "c"], "study.zip: a has 2, c has 3 values. Zipped choices have the same number of them."),
        (["a", "d"], "study.zip: d is no choice(...), and has no places to go by."),
        (["a", "e"], "study.zip: e hangs on a condition; what is zipped is always asked."),
        (["f", "f"], "study.zip: [f, f]: one of them must have values that all differ, to tell the pairs apart."),
    ],
)
def test_what_cannot_be_zipped(keys, fault):
    entries = {"a": "1,2", "b": "3,4", "c": "1,2,3", "d": "interval(0,1)", "e": "1,2", "f": "1,1"}
    assert fault in faults(entries, {"e": {"a": [1]}}, [keys])


def test_a_key_stands_in_one_list_alone():
    assert faults({"a": "1,2", "b": "3,4", "c": "5,6"}, zipped=[["a", "b"], ["b", "c"]]) == (
        "study.zip: b stands in two lists. Join them.",
    )


def test_a_condition_on_a_zipped_follower_waits_for_its_leader():
    space = read({"c": "5,6", "b": "x,y", "a": "1,2"}, {"c": {"b": ["y"]}}, [["a", "b"]])
    assert list(space.distributions) == ["a", "c"]
    assert [space.expand(chosen) for chosen in space.combinations()] == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": "y", "c": 5},
        {"a": 2, "b": "y", "c": 6},
    ]


def test_split_arguments():
    arguments = ["seed=0,1", "loss=plain", "loss.target=every_class", "loss.alpha=interval(0,1)", "dataset.flips='a,b'"]
    searched, fixed = split_arguments(arguments)
    assert searched == {"seed": "0,1", "loss.target": "every_class", "loss.alpha": "interval(0,1)"}
    assert fixed == ("loss=plain", "dataset.flips='a,b'")
    with pytest.raises(ConfigError, match=r"seed=choice\(1: "):
        split_arguments(["seed=choice(1"])
