from itertools import islice

import numpy as np
import pytest

from fnmask.data.arrays import SplitArrays
from fnmask.data.pipeline import TrainStream, eval_batches


def numbered(count: int, height: int = 6, width: int = 8) -> SplitArrays:
    """Images whose red is the image number, green the row, blue the column; labels row * width + column."""
    grid = np.indices((height, width))
    images = np.empty((count, height, width, 3), np.uint8)
    images[..., 0] = np.arange(count)[:, None, None]
    images[..., 1], images[..., 2] = grid
    labels = np.broadcast_to((grid[0] * width + grid[1]).astype(np.uint8), (count, height, width)).copy()
    return SplitArrays(tuple(map(str, range(count))), images, labels)


def take(stream: TrainStream, count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    batches = list(islice(stream.iterate(first), count))
    return np.stack([x for x, _ in batches]), np.stack([y for _, y in batches])


def train(**changes: object) -> TrainStream:
    options = {"batch_size": 3, "crop_size": (4, 5), "flips": "both", "seed": 7}
    return TrainStream(numbered(5), **(options | changes))  # type: ignore[arg-type]


def test_the_stream_depends_on_the_seed_only() -> None:
    stream = train()
    first = take(stream, 12)
    np.random.seed(3)  # noqa: NPY002
    again, rebuilt, other = take(stream, 12), take(train(), 12), take(train(seed=8), 12)
    for one, two, three in zip(first, again, rebuilt, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("first", [1, 4, 17])
def test_a_stream_begins_at_any_step_as_if_the_ones_before_had_been_taken(first: int) -> None:
    whole, later = take(train(), 20), take(train(), 20 - first, first)
    for one, two in zip(whole, later, strict=True):
        np.testing.assert_array_equal(one[first:], two)


def test_two_streams_side_by_side_do_not_disturb_each_other() -> None:
    stream = train()
    one, two = stream.iterate(), stream.iterate(2)
    mixed = [(next(one)[0], next(two)[0]) for _ in range(6)]
    expected, _ = take(train(), 8)
    np.testing.assert_array_equal([image for image, _ in mixed], expected[:6])
    np.testing.assert_array_equal([image for _, image in mixed], expected[2:])
    one.close()
    two.close()


def test_a_pass_holds_every_image_once_and_passes_differ() -> None:
    images, _ = take(train(), 20)  # 60 images: 12 passes
    order = images[:, :, 0, 0, 0].reshape(12, 5)
    np.testing.assert_array_equal(np.sort(order, axis=1), np.broadcast_to(np.arange(5), (12, 5)))
    assert len({tuple(row) for row in order}) > 6


def test_shapes_dtypes_and_a_batch_larger_than_the_set() -> None:
    images, labels = take(train(batch_size=16), 2)
    assert images.shape == (2, 16, 4, 5, 3)
    assert labels.shape == (2, 16, 4, 5)
    assert images.dtype == labels.dtype == np.uint8


def test_labels_go_with_their_pixels() -> None:
    images, labels = take(train(), 30)
    np.testing.assert_array_equal(labels, images[..., 1].astype(int) * 8 + images[..., 2])


def test_crops_are_windows_at_every_place_and_flips_of_all_four_kinds() -> None:
    images, _ = take(train(), 200)
    images = images.reshape(-1, 4, 5, 3).astype(int)
    rows, columns = images[:, :, 0, 1], images[:, 0, :, 2]
    # A window keeps neighbors: rows and columns run by one, up or down.
    row_steps, column_steps = np.diff(rows, axis=1), np.diff(columns, axis=1)
    assert (np.abs(row_steps) == 1).all()
    assert (row_steps == row_steps[:, :1]).all()
    assert (np.abs(column_steps) == 1).all()
    assert (column_steps == column_steps[:, :1]).all()
    places = np.stack([rows.min(axis=1), columns.min(axis=1), row_steps[:, 0] > 0, column_steps[:, 0] > 0], axis=1)
    kinds, counts = np.unique(places, axis=0, return_counts=True)
    assert len(kinds) == 3 * 4 * 4  # 6 - 4 + 1 tops, 8 - 5 + 1 lefts, four mirrorings
    # 600 draws over 48 kinds: 12.5 each on average, standard deviation 3.5.
    assert counts.max() < 30


@pytest.mark.parametrize(("flips", "upside_down", "mirrored"), [("none", {1}, {1}), ("horizontal", {1}, {1, -1})])
def test_only_the_asked_flips_happen(flips: str, upside_down: set[int], mirrored: set[int]) -> None:
    images, _ = take(train(flips=flips, crop_size=None), 20)
    assert images.shape[2:4] == (6, 8)
    places = images.astype(int)
    assert set((places[:, :, 1, 0, 1] - places[:, :, 0, 0, 1]).ravel()) == upside_down
    assert set((places[:, :, 0, 1, 2] - places[:, :, 0, 0, 2]).ravel()) == mirrored


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"crop_size": (7, 8)}, r"crop_size is \(7, 8\), the images are \(6, 8\)"),
        ({"crop_size": (0, 8)}, "crop_size is"),
        ({"flips": "vertical"}, "use one of none, horizontal, both"),
    ],
)
def test_bad_options_raise_at_once(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train(**changes)


def test_what_fails_while_a_batch_is_made_ready_is_raised() -> None:
    stream = train()
    stream._arrays.images.resize((0,), refcheck=False)
    with pytest.raises(IndexError):
        next(stream.iterate())


def test_evaluation_keeps_order_and_pads_the_last_batch() -> None:
    arrays = numbered(5)
    images, labels = (np.stack(part) for part in zip(*eval_batches(arrays, batch_size=3, pad_label=255), strict=True))
    assert images.shape == (2, 3, 6, 8, 3)
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images.reshape(6, 6, 8, 3)[:5], arrays.images)
    np.testing.assert_array_equal(labels.reshape(6, 6, 8)[:5], arrays.labels)
    assert (images[1, 2] == 0).all()
    assert (labels[1, 2] == 255).all()


def test_evaluation_of_whole_batches_adds_none() -> None:
    assert len(list(eval_batches(numbered(6), batch_size=3, pad_label=255))) == 2
    with pytest.raises(ValueError, match="batch_size is 0"):
        eval_batches(numbered(1), batch_size=0, pad_label=255)
