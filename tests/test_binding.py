import sys
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from fnmask.binding import ConfigError, bind, suggest, with_faults

HERE = __name__


def build(*, num_classes: int, width: Annotated[int, Ge(1), Le(64)], kind: Literal["a", "b"] = "a") -> tuple:
    return num_classes, width, kind


def weigh(counts: "NotLoaded", *, weights: list[Annotated[float, Ge(0)]] | dict[str, float]) -> object:  # noqa: F821
    return counts, weights


class Source:
    def __init__(self, *, root: str, size: tuple[int, int] | None = None) -> None:
        self.root, self.size = root, size


NOT_CALLABLE = 3


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setitem(sys.modules, "bound_here", sys.modules.get(HERE) or _this_module())


def _this_module():
    from types import ModuleType

    module = ModuleType("bound_here")
    module.__dict__.update(globals())
    return module


def faults(node, known=()):
    with pytest.raises(ConfigError) as caught:
        bind(node, prefix="part", known=known)
    return caught.value.faults


def test_calls_with_config_and_what_the_caller_knows():
    bound = bind({"_target_": "bound_here.build", "width": 8}, prefix="part", known=("num_classes", "input_size"))
    # input_size is offered to every builder and taken by those that ask for it.
    assert bound(num_classes=5, input_size=(1, 1)) == (5, 8, "a")
    assert bound.kwargs == {"width": 8, "kind": "a"}


def test_binds_a_class_by_its_constructor():
    source = bind({"_target_": "bound_here.Source", "root": "x", "size": [3, 4]}, prefix="part")()
    assert (source.root, source.size) == ("x", (3, 4))


def test_annotations_of_known_parameters_are_not_evaluated():
    bound = bind({"_target_": "bound_here.weigh", "weights": {"road": 2}}, prefix="part", known=("counts",))
    assert bound(counts=1) == (1, {"road": 2.0})


def test_every_fault_of_a_node_at_once():
    found = faults({"_target_": "bound_here.build", "width": 65, "kind": "c", "kimd": "a"}, known=("num_classes",))
    assert found == (
        "part.width: got 65. Input should be less than or equal to 64.",
        "part.kind: got 'c'. Input should be 'a' or 'b'.",
        "part.kimd: unknown key. Did you mean kind? Allowed: width, kind.",
    )


def test_a_missing_argument_says_what_to_give():
    assert faults({"_target_": "bound_here.build"}, known=("num_classes",)) == (
        "part.width: missing. Give part.width=VALUE.",
    )


def test_the_config_may_not_give_what_the_caller_knows():
    found = faults({"_target_": "bound_here.build", "width": 1, "num_classes": 3}, known=("num_classes",))
    assert found == ("part.num_classes: unknown key. Allowed: width, kind.",)


@pytest.mark.parametrize("number", [float("inf"), float("nan"), -1.0])
def test_numbers_are_finite_also_inside_lists(number):
    (fault, *_) = faults({"_target_": "bound_here.weigh", "weights": [1.0, number]}, known=("counts",))
    assert fault.startswith(f"part.weights.1: got {number}. Input should be ")


def test_a_union_is_named_by_its_key_alone():
    for fault in faults({"_target_": "bound_here.weigh", "weights": "x"}, known=("counts",)):
        assert fault.startswith("part.weights: got 'x'. ")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no.such.module", "No module named 'no'"),
        ("bound_here.nothing", "has no attribute 'nothing'"),
        ("", "Empty module name"),
        ("bound_here.NOT_CALLABLE", "must be the import path of a callable."),
    ],
)
def test_a_target_that_is_none(path, reason):
    (fault,) = faults({"_target_": path})
    assert fault.startswith(f"part._target_: got {path!r}. It must be the import path of a callable")
    assert reason in fault


def test_suggest():
    assert suggest("raod", ["road", "car"]) == "Did you mean road? Allowed: road, car."
    assert suggest("x", []) == "Allowed: nothing."


def test_faults_found_before_an_action_are_raised_with_its_own():
    def fail():
        raise ConfigError(["second"])

    for action, expected in ((fail, ("first", "second")), (lambda: 1, ("first",))):
        with pytest.raises(ConfigError) as caught:
            with_faults(["first"], action)
        assert caught.value.faults == expected
    assert with_faults([], lambda: 1) == 1
