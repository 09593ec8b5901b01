"""A preset where the command line has spoken."""

import pytest

from fnmask.sweep.narrowing import narrow


def test_a_value_on_the_command_line_wins_over_the_preset_s_search(plan):
    found = plan("+sweeps=quickstart", "seed=7")
    assert list(found.space.distributions) == ["loss"]
    assert found.base.seed == 7
    assert len(found.controls) == 2
    assert found.n_trials == 5


def test_the_command_line_s_search_wins_over_the_preset_s(plan):
    found = plan("+sweeps=quickstart", "seed=choice(3,4)", "loss=soften_fn")
    assert found.space.choices("seed") == (3, 4)
    assert found.n_trials == 2 * 2 + 2


@pytest.mark.parametrize(
    ("word", "searched"),
    [
        ("loss=ignore_fn", ["loss.target", "weighting"]),
        ("loss=soften_fn", ["loss.target", "loss.alpha", "weighting"]),
        ("loss.alpha=0.3", ["loss", "loss.target", "weighting"]),
        ("loss.target=water", ["loss", "loss.alpha", "weighting"]),
    ],
)
def test_a_preset_may_be_narrowed(plan, word, searched):
    assert list(plan("+sweeps=which_class", word).space.distributions) == searched


def test_a_condition_on_what_was_given_is_settled():
    space = {"loss": "a,b", "loss.alpha": "1,2", "loss.tau": "3,4"}
    when = {"loss.alpha": {"loss": ["a"]}, "loss.tau": {"loss": ["b"]}}
    keys = frozenset({"alpha", "tau"})
    assert narrow(space, when, ["loss=a"], {}, lambda *_: keys) == ({"loss.alpha": "1,2"}, {})
    assert narrow(space, when, ["loss.tau=1"], {}, lambda *_: keys) == (
        {"loss": "a,b", "loss.alpha": "1,2"},
        {"loss.alpha": {"loss": ["a"]}},
    )


def test_a_shorter_choice_shortens_the_conditions_on_it():
    space = {"loss": "a,b,c", "loss.alpha": "1,2", "loss.tau": "3,4"}
    when = {"loss.alpha": {"loss": ["a", "b"]}, "loss.tau": {"loss": ["c"]}}
    assert narrow(space, when, [], {"loss": "a,b"}, lambda *_: frozenset()) == (
        {"loss": "a,b,c", "loss.alpha": "1,2"},
        {"loss.alpha": {"loss": ["a", "b"]}},
    )
    _, left = narrow(space, when, [], {"loss": "b,c"}, lambda *_: frozenset())
    assert left == {"loss.alpha": {"loss": ["b"]}, "loss.tau": {"loss": ["c"]}}
    # What the preset does not have is left for `read_space` to refuse.
    _, left = narrow(space, {"loss.tau": {"loss": ["d"]}}, [], {"loss": "b,c"}, lambda *_: frozenset())
    assert left == {"loss.tau": {"loss": ["d"]}}


def test_of_a_key_given_twice_the_last_word_wins(plan):
    assert list(plan("loss.alpha=0.25,0.5", "seed=0,1", "loss.alpha=0.3", "study.n_trials=9").space.distributions) == [
        "seed"
    ]
