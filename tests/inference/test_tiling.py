import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnmask.inference.tiling import blend_weights, predict_strips, tile_starts


def pixelwise(images):
    """A network that looks at one pixel at a time, so that neither tiles nor borders can matter."""
    values = images.astype(np.float32)
    return np.stack([values[..., 0] - values[..., 1], values.sum(axis=-1), -values[..., 2]], axis=-1)


@given(st.integers(1, 300), st.integers(1, 60), st.data())
def test_starts_cover_every_pixel_and_overlap_as_told(length, tile, data):
    overlap = data.draw(st.integers(0, tile - 1))
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - tile)
    for before, after in itertools.pairwise(starts):
        assert before < after <= before + tile - overlap


def test_starts_by_hand():
    assert tile_starts(100, 40, 10) == [0, 30, 60]
    assert tile_starts(101, 40, 10) == [0, 30, 60, 61]
    assert tile_starts(40, 40, 0) == [0]
    assert tile_starts(80, 40, 0) == [0, 40]


@pytest.mark.parametrize("overlap", [-1, 40, 41])
def test_an_overlap_that_leaves_no_step_is_refused(overlap):
    with pytest.raises(ValueError, match="give at least 0 and less than a tile"):
        tile_starts(100, 40, overlap)


def test_weights_by_hand():
    np.testing.assert_allclose(blend_weights(6, 2), [1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_array_equal(blend_weights(3, 0), [1, 1, 1])


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.data())
def test_strips_of_a_pixelwise_network_are_its_output_on_the_whole_image(height, width, tall, wide, data):
    overlap = data.draw(st.integers(0, min(tall, wide) - 1))
    image = np.random.default_rng(height * 41 + width).integers(0, 256, (height, width, 3), np.uint8)
    strips = list(predict_strips(image, pixelwise, (tall, wide), overlap))
    np.testing.assert_allclose(np.concatenate(strips), pixelwise(image), atol=2e-3)


@pytest.mark.parametrize("axis", [0, 1])
def test_where_tiles_meet_they_are_blended(axis):
    """Two tiles of 4 px that share 2, one of ones and one of sevens; weights 2/3 and 1/3, then 1/3 and 2/3."""
    values = iter([1, 7])

    def constant(tiles):
        return np.stack([np.full((4, 4, 1), next(values), np.float32) for _ in tiles])

    shape = (6, 4, 3) if axis == 0 else (4, 6, 3)
    logits = np.concatenate(list(predict_strips(np.zeros(shape, np.uint8), constant, (4, 4), 2)))
    line = logits[:, 0, 0] if axis == 0 else logits[0, :, 0]
    np.testing.assert_allclose(line, [1, 1, 3, 5, 7, 7], rtol=1e-6)


def test_a_small_image_is_continued_by_its_mirror_image():
    seen = []

    def look(tiles):
        seen.append(tiles)
        return pixelwise(tiles)

    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    (strip,) = predict_strips(image, look, (4, 3), 1)
    assert strip.shape == (2, 2, 3)
    (tiles,) = seen
    np.testing.assert_array_equal(tiles[0, :, :2], image[[0, 1, 1, 0]])
    np.testing.assert_array_equal(tiles[0, :, 2], tiles[0, :, 1])


def test_no_more_than_a_row_of_tiles_is_held():
    """A strip leaves as soon as the next row of tiles is due, so what is kept does not grow with the height."""
    image = np.zeros((200, 8, 3), np.uint8)
    rows = []

    def count(tiles):
        rows.append(len(tiles))
        return pixelwise(tiles)

    for place, strip in enumerate(predict_strips(image, count, (8, 8), 2)):
        assert len(rows) == place + 1, "a strip comes before the next row is computed"
        assert len(strip) <= 8
