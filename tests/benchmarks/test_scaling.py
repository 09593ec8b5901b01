"""`python -m benchmarks.scaling`: what it calls a bend, worked out by hand; and that its trials can be had."""

import numpy as np
import pytest

from benchmarks.dummy import compose
from benchmarks.scaling import LINES, Line, slopes
from benchmarks.scaling_bends import Interval, describe_bends, last_over_first
from benchmarks.scaling_trial import Noise, Setting, _words
from fnmask.data.arrays import load_split


def intervals(*costs):
    """One for each list of costs by round."""
    return [Interval(f"interval {place}", list(of_rounds)) for place, of_rounds in enumerate(costs)]


def test_slopes_are_differences_round_by_round_over_what_is_more():
    line = Line("batch_size", "images", (1, 2, 4), lambda setting: setting.batch_size, "image")
    first, second = slopes(line, Setting(), {1: [5.0, 6.0], 2: [8.0, 10.0], 4: [18.0, 14.0]})
    assert (first.label, first.costs) == ("from 1 to 2 images", [3.0, 4.0])
    assert (second.label, second.costs) == ("from 2 to 4 images", [5.0, 2.0])


def test_size_counts_in_megapixels_of_a_batch_and_classes_beyond_a_constant():
    base = Setting(batch_size=5)
    # 5 images of 100 x 100 px are 0.05 megapixels, of 200 x 200 px 0.2.
    size = Line("size_px", "px", (100, 200), LINES["size"].amount)
    assert slopes(size, base, {100: [10.0], 200: [16.0]})[0].costs == [pytest.approx(40.0)]
    classes = Line("num_classes", "classes", (2, 6), LINES["classes"].amount)
    assert slopes(classes, base, {2: [10.0], 6: [12.0]})[0].costs == [0.5]


def test_last_over_first_is_that_of_the_medians():
    assert last_over_first(intervals([1, 2, 9], [50, 50, 50], [2, 3, 3])) == 1.5
    assert last_over_first(intervals([-1, 0, 1], [5, 5, 5])) is None


@pytest.mark.parametrize(
    ("first", "other", "bends"),
    [
        ([10, 10, 10, 10, 10], [11, 11, 11, 11, 11], False),  # 1.1 times is straight
        ([10, 10, 10, 10, 10], [12, 12, 12, 12, 12], True),
        ([10, 10, 10, 10, 99], [5, 12, 12, 12, 12], True),  # one round may differ
        ([10, 10, 10, 12, 12], [12, 12, 12, 12, 12], None),
        ([10, 10, 10, 10, 10], [5, 5, 12, 12, 12], None),
        ([-5, -5, -5, -5, -5], [-1, -1, -1, -1, -1], False),  # a cost that falls is no bend
        ([-5, -5, -5, -5, -5], [1, 1, 1, 1, 1], True),
    ],
)
def test_an_interval_bends_where_its_quartile_is_beyond_that_of_the_first(first, other, bends):
    assert Interval("", other).bends_from(Interval("", first)) is bends


def test_what_bends_at_the_least_value_is_named_first():
    columns = {
        "straight": intervals([1, 1, 1], [1, 1, 1], [1, 1, 1]),
        "late": intervals([1, 1, 1], [1, 1, 1], [3, 3, 3]),
        "early": intervals([2, 2, 2], [3, 3, 3], [2, 2, 2]),
        "noisy": intervals([0, 1, 9], [3, 3, 3], [1, 1, 1]),
        "new": intervals([0, 0, 0], [0, 0, 0], [1, 1, 1]),
    }
    assert describe_bends(columns) == (
        "**First to bend: early, interval 1 (1.50 times the first).** Then: late, interval 2 (3.00 times the first); "
        "new, interval 2 (the first cost nothing). Maybe, by less than the rounds differ: noisy."
    )


def test_a_straight_line_is_called_so():
    assert describe_bends({"step": intervals([1, 1], [1, 1]), "rest": intervals([0, 0], [-1, 0])}) == "**None bends.**"


@pytest.mark.parametrize("name", ["size", "batch", "classes"])
def test_the_trials_of_a_line_can_be_had(name):
    line, (_, composer) = LINES[name], compose([])
    for value in (line.values[0], line.values[-1]):
        setting = line.setting(value, Setting())
        config = composer.check(_words(setting))
        assert isinstance(config.source, Noise)
        assert (len(config.source.class_names), config.target_names) == (setting.num_classes, ("class_1",))
        assert config.dataset.image_size == (setting.size_px, setting.size_px)
        assert config.trainer.batch_size == config.trainer.eval_batch_size == setting.batch_size


def test_noise_has_every_class_and_is_the_same_each_time():
    noise = Noise(0, n_train=2, n_val=32, n_test=1, size_px=32, num_classes=150)
    arrays = load_split(noise, "val", image_size=(32, 32))
    assert set(np.unique(arrays.labels)) <= set(range(150))
    assert len(np.unique(arrays.labels)) > 130
    np.testing.assert_array_equal(load_split(noise, "val", image_size=(32, 32)).images, arrays.images)
    assert not np.array_equal(arrays.images[0], arrays.images[1])
