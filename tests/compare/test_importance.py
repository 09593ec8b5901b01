import math
from dataclasses import replace

import numpy as np
import pytest
from hand_worked import PLAIN, SOFT, sweep_of, trial

from fnmask.compare.importance import LEAST_SETTINGS, importance_figure, importance_of
from fnmask.compare.parallel import parallel_figure
from fnmask.compare.report import build_report
from fnmask.compare.settings import settings_of
from fnmask.compare.table import build_table


def matrix(gain):
    """The more gain, the more of the land and the cars is right."""
    return np.add(PLAIN, [[gain, -gain, 0], [0, 0, 0], [0, -gain // 2, gain // 2]]).tolist()


def searched(count=24):
    """Alpha decides; the learning rate does not; the loss is one of two that do not matter either."""
    rng = np.random.default_rng(1)
    trials = [trial(0, "plain", PLAIN, control="plain", params={"loss._target_": "m.plain", "seed": "0"})]
    for number in range(count):
        alpha, rate = rng.uniform(0, 1, 2).round(3)
        params = {
            "loss._target_": f"m.{('soft', 'hard')[number % 2]}",
            "loss.alpha": str(alpha),
            "optimizer.learning_rate": str(rate),
            "trainer.epochs": "4",
            "seed": str(number % 3),
            "lineage.numpy": str(number),
        }
        trials.append(trial(number + 1, f"mask {number}", matrix(int(10 * (1 - alpha))), params=params))
    return sweep_of(*trials)


@pytest.fixture(scope="module")
def sweep():
    return searched()


@pytest.fixture(scope="module")
def settings(sweep):
    return settings_of(sweep, build_table(sweep, "test", resamples=20))


def test_settings_are_what_was_varied(settings):
    assert list(settings.values) == ["loss", "loss.alpha", "optimizer.learning_rate"]
    places = {row.variant: place for place, row in enumerate(settings.rows)}
    assert settings.values["loss"][places["mask 1"]] == "hard"
    assert all(isinstance(value, float) for value in settings.values["loss.alpha"])
    assert "plain" not in places


def test_a_setting_that_some_variants_lack_is_no_number():
    given = sweep_of(
        trial(0, "plain", PLAIN, control="plain", params={}),
        trial(1, "a", SOFT, params={"loss.alpha": "0.5"}),
        trial(2, "b", SOFT, params={"loss.beta": "1"}),
    )
    found = settings_of(given, build_table(given, "test", resamples=20))
    assert sorted(found.values["loss.alpha"]) == ["0.5", "–"]  # noqa: RUF001


@pytest.mark.parametrize("word", ["nan", "inf"])
def test_a_setting_that_has_no_place_on_an_axis_is_no_number(sweep, word):
    """Classes of the names 0, 1 and nan, for one: importance of a number without bounds ended in a stack trace."""
    trials = [
        replace(own, params={**own.params, "loss.target": (word, "0", "1")[own.number % 3]}) for own in sweep.trials
    ]
    given = replace(sweep, trials=tuple(trials))
    settings = settings_of(given, build_table(given, "test", resamples=20))
    assert set(settings.values["loss.target"]) == {word, "0", "1"}
    assert not importance_of(settings).reason


def test_the_setting_that_decides_is_found_by_both(settings):
    found = importance_of(settings)
    assert found.n_settings == 24
    for shares in found.shares.values():
        assert shares["loss.alpha"][0] > 0.7
        assert sum(own[0] for own in shares.values()) == pytest.approx(1)
        assert len(shares["loss.alpha"]) == 11
    figure = importance_figure(found)
    assert [bars.name for bars in figure.data] == ["fANOVA", "PED-ANOVA"]
    assert list(figure.data[0].y)[-1] == "loss.alpha"


def test_it_says_why_where_it_would_be_noise(sweep):
    few = searched(LEAST_SETTINGS - 2)
    told = importance_of(settings_of(few, build_table(few, "test", resamples=20)))
    assert told.reason == "from 8 variants it would be noise; at least 10 are needed."
    assert importance_figure(told) is None
    one = sweep_of(
        trial(0, "plain", PLAIN, control="plain", params={"a": "1"}),
        *(trial(n, f"soft {n}", SOFT, params={"a": str(n)}) for n in range(1, 20)),
    )
    told = importance_of(settings_of(one, build_table(one, "test", resamples=20)))
    assert told.reason.startswith("1 setting was varied")
    page = build_report(few, {"test": build_table(few, "test", resamples=20)}).html
    assert "Not shown: from 8 variants it would be noise" in page


def test_parallel_coordinates_have_an_axis_for_each_setting_and_reading(settings):
    figure = parallel_figure(settings)
    (lines,) = figure.data
    assert [axis.label for axis in lines.dimensions] == [
        *("loss", "loss.alpha", "optimizer.learning_rate"),
        *("target cost", "others' gain", "target IoU", "mIoU"),
    ]
    loss = lines.dimensions[0]
    names = dict(zip(loss.tickvals, loss.ticktext, strict=True))
    for row, value, gain in zip(settings.rows, loss.values, lines.line.color, strict=True):
        assert names[value] == settings.values["loss"][settings.rows.index(row)]
        assert gain == row.values["others_gain"].mean
    assert not any(math.isnan(value) for axis in lines.dimensions for value in axis.values)


def test_settings_that_have_no_axis_are_named(sweep):
    def varied(count):
        more = [
            replace(own, params={**own.params, **{f"base.of_{place}": str(own.number) for place in range(count)}})
            for own in sweep.trials
        ]
        return replace(sweep, trials=tuple(more))

    for count, told in ((2, None), (4, "none is of base.of_2, base.of_3.")):
        given = varied(count)
        table = build_table(given, "test", resamples=20)
        assert len(parallel_figure(settings_of(given, table)).data[0].dimensions) == 5 + 4
        page = build_report(given, {"test": table}).html
        assert ("More axes cannot be told apart" in page) == (told is not None)
        assert told is None or told in page


def test_nothing_varied_has_no_picture():
    same = sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "a", SOFT), trial(2, "b", SOFT))
    assert parallel_figure(settings_of(same, build_table(same, "test", resamples=20))) is None
