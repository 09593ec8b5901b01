"""Flat parameters and filters."""

import pytest

from fnmask.tracking.records import RunRecord, flatten_params, quote_for_filter


def test_flatten_is_dotted_and_done_once() -> None:
    nested = {"loss": {"_target_": "x.y", "target": ["road", "car"], "alpha": 0.5}, "root": None, "flip": True}
    flat = {
        "loss._target_": "x.y",
        "loss.target": '["road", "car"]',
        "loss.alpha": "0.5",
        "root": "null",
        "flip": "true",
    }
    assert flatten_params(nested) == flat
    assert flatten_params(flat) == flat


def test_flatten_keeps_an_empty_group_and_drops_nothing_else() -> None:
    assert flatten_params({}) == {}
    assert flatten_params({"a": {}, "b!c": 1}) == {"a": "{}", "b_c": "1"}


def test_quotes() -> None:
    assert quote_for_filter("plain") == "'plain'"
    assert quote_for_filter("Ann's") == '"Ann\'s"'
    with pytest.raises(ValueError, match="both kinds"):
        quote_for_filter("'\"")


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("", None), ("x", None)])
def test_trial_number(text: str, number: int | None) -> None:
    record = RunRecord("id", "name", "FINISHED", {"fnmask.trial": text}, {}, {}, 0, None)
    assert record.trial == number
