"""The whole page of a small real sweep, number by number, as it was when somebody last looked at it.

`tests/golden/` holds the sweep: four masks, two targets, three seeds, on the synthetic town at 48 pixels, and what its
page says: `expected.json`. Where a change moves numbers on purpose, look at which, and re-make the file:

    python tests/golden expected

The sweep itself was made by these commands, in an empty folder ROOT; a new one needs new expectations:

    python train.py --multirun root=ROOT +sweeps=quickstart study.name=golden dataset.n_train=8 dataset.n_val=6 \
      dataset.n_test=12 dataset.size_px=48 'dataset.image_size=[48,48]' dataset.crop_size=null backbone.width=4 \
      backbone.depth=2 trainer.epochs=4 trainer.batch_size=4 tracking.overlay_images=0 optimizer.learning_rate=0.02 \
      'loss=choice(ignore_fn,soften_fn)' 'loss.target=choice(road,building)'
    python tests/golden dump ROOT

`expected_older.json` is the same of the store that an older version would have left, without frontiers, descriptions
and the tags that came later.
"""

import math

import pytest
from golden.content import load, page_content, save
from golden.store import HERE, rebuild

TOLERANCE = 1e-9


def is_same(was, now):
    """Counts and texts exactly, other numbers closely."""
    if isinstance(was, float) and isinstance(now, float):
        return (was != was and now != now) or math.isclose(was, now, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(was) is type(now) and was == now


def differing(expected, found):
    """The places where two pages differ, with what stands in both."""
    told = [f"{place}: no longer there, was {expected[place]!r}" for place in expected if place not in found]
    told += [f"{place}: new, {found[place]!r}" for place in found if place not in expected]
    told += [
        f"{place}: {expected[place]!r} -> {found[place]!r}"
        for place in expected.keys() & found.keys()
        if not is_same(expected[place], found[place])
    ]
    return sorted(told)


@pytest.mark.parametrize("older", [False, True], ids=["as it is", "by an older version"])
def test_the_page_says_what_it_said(tmp_path, empty_mlflow, monkeypatch, older):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    rebuild(tmp_path, empty_mlflow, older=older)
    expected = load(HERE / ("expected_older.json" if older else "expected.json"))
    found = page_content(tmp_path)
    told = differing(expected, found)
    assert not told, f"{len(told)} of {len(expected)} places differ, among them:\n" + "\n".join(told[:20])
    assert len(expected) > 2000, "tables of two splits, and the pictures"


def test_an_older_store_lacks_the_frontier_and_nothing_else():
    whole, older = load(HERE / "expected.json"), load(HERE / "expected_older.json")
    assert any("frontier" in place for place in whole)
    measured = {place for place in whole if place.endswith("/alone") and "/frontier_" not in place}
    assert measured
    assert all(older[place] == pytest.approx(whole[place], rel=1e-9) for place in measured)
    assert not any(place.startswith("figure/frontier") for place in older)


def test_a_difference_is_told_by_its_place(tmp_path):
    page = {"a/b": 1.0, "a/c": 2, "a/d": "x", "e": math.nan, "f": True, "g": 0.5}
    save(page, tmp_path / "page.json")
    assert not differing(page, load(tmp_path / "page.json"))
    other = {"a/b": 1.0 + 1e-8, "a/c": 3, "a/d": "y", "e": math.nan, "f": 1, "new": 0}
    assert differing(page, other) == [
        "a/b: 1.0 -> 1.00000001",
        "a/c: 2 -> 3",
        "a/d: 'x' -> 'y'",
        "f: True -> 1",
        "g: no longer there, was 0.5",
        "new: new, 0",
    ]
