import optuna
import pytest
from composing import compose_config
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from fnmask.binding import ConfigError
from fnmask.sweep.grammar import override, split_arguments
from fnmask.sweep.space import parse_space

CLASSES = ("sky", "low plants", "a,b", "null", "it's", "1")


def parse(entries, when=None):
    return parse_space(entries, when=when or {}, class_names=lambda: CLASSES)


def distribution(text):
    return parse({"x": text}).distributions["x"]


def faults(entries, when=None):
    with pytest.raises(ConfigError) as caught:
        parse(entries, when)
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
    assert len(faults({"x": "5", "y": "range(2)", "z": "interval(1,0)"}, {"w": {"x": [1]}})) == 4


def test_every_class_stands_for_the_names():
    assert distribution("every_class").choices == ("sky", "low plants", "'a,b'", "'null'", r"'it\'s'", "'1'")


def read_back(value):
    read = OverridesParser.create().parse_override(override("loss.target", value)).value()
    return getattr(read, "text", read)


def test_class_names_come_back_from_their_overrides():
    assert tuple(map(read_back, distribution("every_class").choices)) == CLASSES


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("dataset.crop_size", "[96,96],null,[64,32]", [[96, 96], None, [64, 32]]),
        ("dataset.unreliable_class", "null,road", [None, "road"]),
        ("trainer.jit_compile", "choice(true,false)", [True, False]),
        ("optimizer.learning_rate", "choice(1e-5,0.1,1)", [1e-5, 0.1, 1]),
        ("dataset.unreliable_class", "choice('null','true','1','a b',\"it's\",'a,b',a b)", None),
        ("loss.target", "choice([road,water],'low plants')", [["road", "water"], "low plants"]),
        ("weighting.weights", "choice({road:0.5},{water:2})", [{"road": 0.5}, {"water": 2}]),
    ],
)
def test_choices_come_back_through_hydra(key, text, expected):
    expected = expected or ["null", "true", "1", "a b", "it's", "a,b"]
    found = []
    for value in parse({key: text}).choices(key):
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
    entries = {"c": "choice(5,6)", "b": "choice(x,y)", "a": "choice(1,2)"}
    space = parse(entries, {"c": {"b": ["y"]}, "b": {"a": [2]}})
    assert list(space.distributions) == ["a", "b", "c"]
    assert list(space.combinations()) == [
        {"a": 1},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y", "c": 5},
        {"a": 2, "b": "y", "c": 6},
    ]


def test_suggest_asks_for_what_applies():
    space = parse({"alpha": "interval(0,1)", "loss": "choice(on,off)"}, {"alpha": {"loss": ["on"]}})
    assert space.suggest(optuna.trial.FixedTrial({"loss": "off", "alpha": 0.5})) == {"loss": "off"}
    assert space.suggest(optuna.trial.FixedTrial({"loss": "on", "alpha": 0.5})) == {"loss": "on", "alpha": 0.5}


def test_a_condition_may_have_two_parts():
    when = {"c": {"a": [1], "b": [True]}}
    space = parse({"a": "choice(1,2)", "b": "choice(true,false)", "c": "choice(7,8)"}, when)
    asked = [chosen for chosen in space.combinations() if "c" in chosen]
    assert asked == [{"a": 1, "b": True, "c": 7}, {"a": 1, "b": True, "c": 8}]


def test_circular_conditions():
    when = {"a": {"b": [1]}, "b": {"a": [1]}}
    assert faults({"a": "1,2", "b": "1,2", "c": "1,2"}, when) == ("study.when: a, b depend on each other in a circle.",)


@pytest.mark.parametrize(
    ("when", "fault"),
    [
        ({"x": {"a": [1]}}, "study.when: x is not searched. Searched: a, b."),
        ({"a": {"x": [1]}}, "study.when: x is not searched. Searched: a, b."),
        ({"a": {"b": [3]}}, "study.when.a.b: got [3]. Allowed: 1, 2."),
        ({"a": {"b": []}}, "study.when.a.b: got []. Allowed: 1, 2."),
    ],
)
def test_a_condition_that_can_never_hold(when, fault):
    assert faults({"a": "1,2", "b": "1,2"}, when) == (fault,)


def test_combinations_without_duplicates():
    assert list(parse({"a": "choice(x,x,y)"}).combinations()) == [{"a": "x"}, {"a": "y"}]
    # Values that are equal to Python but not to a config stay apart.
    assert [repr(chosen["a"]) for chosen in parse({"a": "choice(1,1.0,true)"}).combinations()] == ["1", "1.0", "True"]


def test_a_grid_has_no_interval_but_a_sample_has_its_ends():
    space = parse({"a": "interval(0.5,2)", "b": "1,2"})
    with pytest.raises(ConfigError, match=r"a: an interval has no list of values. Write it as choice\(...\)."):
        list(space.combinations())
    assert [(chosen["a"], chosen["b"]) for chosen in space.samples()] == [(0.5, 1), (0.5, 2), (2, 1), (2, 2)]


def test_each_value_once_reaches_values_behind_two_conditions():
    entries = {"a": "choice(1,2)", "b": "choice(x,y)", "c": "choice(5,6)"}
    space = parse(entries, {"c": {"b": ["y"]}, "b": {"a": [2]}})
    seen = {(name, value) for chosen in space.each_value_once() for name, value in chosen.items()}
    assert seen == {("a", 1), ("a", 2), ("b", "x"), ("b", "y"), ("c", 5), ("c", 6)}


def test_combinations_of_some_parameters_respect_their_conditions():
    entries = {"seed": "0,1", "net": "tiny,unet", "net.encoder": "vgg16,vgg19", "alpha": "interval(0,1)"}
    space = parse(entries, {"net.encoder": {"net": ["unet"]}})
    assert list(space.combinations_of([])) == [{}]
    assert list(space.combinations_of(["net.encoder"])) == [{}, {"net.encoder": "vgg16"}, {"net.encoder": "vgg19"}]
    assert len(list(space.combinations_of(["seed", "net", "net.encoder"]))) == 2 * 3


def test_describe():
    entries = {"a": "choice(1,x)", "b": "interval(0,1)", "c": "tag(log,int(interval(1,8)))"}
    assert parse(entries, {"b": {"a": ["x"]}}).describe() == {
        "a": "choice(1, x)",
        "b": "interval(0, 1) when a in ['x']",
        "c": "log integer interval(1, 8)",
    }


def test_split_arguments():
    arguments = ["seed=0,1", "loss=plain", "loss.target=every_class", "loss.alpha=interval(0,1)", "dataset.flips='a,b'"]
    searched, fixed = split_arguments(arguments)
    assert searched == {"seed": "0,1", "loss.target": "every_class", "loss.alpha": "interval(0,1)"}
    assert fixed == ("loss=plain", "dataset.flips='a,b'")
    with pytest.raises(ConfigError, match=r"seed=choice\(1: "):
        split_arguments(["seed=choice(1"])
