import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnmask.binding import ConfigError
from fnmask.decision import Decision, read_decision

NAMES = ("land", "road", "tree top", "a>b", "car, van", "car, van, bus")

threshold = st.floats(1e-9, 1 - 1e-9)


def test_no_rule_is_argmax():
    rule = read_decision("", NAMES)
    assert rule == Decision((), 6 * (0.0,))
    logits = np.ones((2, 6), np.float32)
    assert rule.apply(logits) is logits
    assert str(rule) == ""


def test_offsets_by_hand():
    """b = -log(t / (1 - t)): -log 4 at 0.8, +log 3 at 0.25, nothing at 1/2."""
    rule = read_decision(" tree top>0.25, road > 0.8,land>0.5", NAMES)
    assert rule.thresholds == (("land", 0.5), ("road", 0.8), ("tree top", 0.25))
    np.testing.assert_allclose(rule.logit_offsets, [0, -math.log(4), math.log(3), 0, 0, 0], rtol=1e-12)
    assert str(rule) == "land>0.5,road>0.8,tree top>0.25"
    np.testing.assert_allclose(rule.apply(np.zeros((1, 6), np.float32))[0], rule.logit_offsets, rtol=1e-6)


@given(st.dictionaries(st.sampled_from(NAMES), threshold, min_size=1))
def test_a_rule_is_read_back_as_it_was(thresholds):
    rule = read_decision(",".join(f"{name}>{number!r}" for name, number in thresholds.items()), NAMES)
    assert dict(rule.thresholds) == thresholds
    assert read_decision(str(rule), NAMES) == rule


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raod>0.8", "got the class 'raod'. Did you mean road?"),
        ("road", "got 'road'. Write CLASS>THRESHOLD, several with commas: road>0.8,tree>0.65."),
        ("road>", "got 'road>'. Write"),
        (">0.8", "got the class ''."),
        ("road>0.8.1", "got 'road>0.8.1'. A threshold lies between 0 and 1"),
        ("road>nan", "got 'road>nan'. Write"),
        ("road>-0.2", "got 'road>-0.2'. Write"),
        ("road>0", "between 0 and 1; 0.5 leaves the class as it is"),
        ("road>1", "between 0 and 1"),
        ("road>1e9", "between 0 and 1"),
        ("road>0.2,road>0.3", "got 'road' twice"),
        ("road<0.8", "got 'road<0.8'. Write"),
        ("road>=0.8", "got 'road>=0.8'. Write"),
    ],
)
def test_refusals(text, told):
    with pytest.raises(ConfigError) as refused:
        read_decision(text, NAMES)
    assert told in str(refused.value)


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigError) as refused:
        read_decision("raod>0.8,road>2,land", NAMES)
    assert len(refused.value.faults) == 3


def contest(logits, label, t):
    """The rule in probabilities: p_c / (p_c + p_r) > t, else the best of the others."""
    p = np.exp(logits - logits.max())
    p /= p.sum()
    others = [k for k in range(len(p)) if k != label]
    best = others[int(np.argmax(p[others]))]
    score = p[label] / (p[label] + p[best])
    return (label if score > t else best), abs(score - t)


@given(st.lists(st.floats(-8, 8, width=32), min_size=6, max_size=6), st.sampled_from(range(6)), st.floats(0.02, 0.98))
def test_one_threshold_is_the_contest_with_the_best_other_class(logits, label, t):
    wanted, margin = contest(np.array(logits, np.float64), label, t)
    rule = read_decision(f"{NAMES[label]}>{t!r}", NAMES)
    found = int(rule.apply(np.array([logits], np.float32)).argmax())
    ordered = np.sort([own for k, own in enumerate(logits) if k != label])
    # Ties, of the score with t and of the two best others, may go either way.
    if margin > 1e-5 and ordered[-1] - ordered[-2] > 1e-5:
        assert found == wanted


@given(
    st.lists(st.floats(-8, 8, width=32), min_size=6, max_size=6),
    st.lists(st.floats(0.02, 0.98), min_size=6, max_size=6),
)
def test_of_several_thresholds_the_winner_passes_its_contest_with_every_other_class(logits, thresholds):
    """k beats j iff p_k / p_j > (t_k / (1 - t_k)) / (t_j / (1 - t_j)): odds count, wherever both are moved."""
    text = ",".join(f"{name}>{number!r}" for name, number in zip(NAMES, thresholds, strict=True))
    found = int(read_decision(text, NAMES).apply(np.array([logits], np.float32)).argmax())
    worth = [math.exp(z) * (1 - t) / t for z, t in zip(logits, thresholds, strict=True)]
    assert worth[found] >= max(worth) * (1 - 1e-4)
