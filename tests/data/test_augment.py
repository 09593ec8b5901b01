import colorsys

import numpy as np
import pytest

from fnmask.data.augment import N_DRAWS, Augmentation, augment

MIDDLE = np.full(N_DRAWS, 0.5)


def scene(size=33):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (size, size)).astype(np.uint8)
    labels[:3] = 255
    return rng.integers(0, 256, (size, size, 3)).astype(np.uint8), labels


def drawn(**which):
    order = ("rotation_deg", "zoom", "brightness", "contrast", "saturation", "hue_deg", "noise", "blur_px")
    draws = MIDDLE.copy()
    for name, value in which.items():
        draws[order.index(name)] = value
    return draws


ALL = Augmentation(
    rotation_deg=30, zoom=0.5, brightness=0.2, contrast=0.3, saturation=0.5, hue_deg=40, noise=0.1, blur_px=2
)


def test_the_middle_of_every_draw_changes_nothing_but_noise_and_blur():
    image, labels = scene()
    how = Augmentation(rotation_deg=30, zoom=0.5, brightness=0.2, contrast=0.3, saturation=0.5, hue_deg=40)
    changed, told = augment(image, labels, how, MIDDLE, 0)
    np.testing.assert_allclose(changed.astype(int), image, atol=1)  # rounding of the color map
    np.testing.assert_array_equal(told, labels)


def test_image_and_labels_are_turned_alike_by_the_angle():
    # A quarter of a turn is exact: np.rot90 turns against the clock too.
    image, labels = scene()
    how = Augmentation(rotation_deg=90)
    changed, told = augment(image, labels, how, drawn(rotation_deg=1.0), 0)
    np.testing.assert_array_equal(told, np.rot90(labels))
    np.testing.assert_allclose(changed.astype(int), np.rot90(image), atol=1)
    # An image that shows its labels still does.
    shown = np.repeat(labels[..., None], 3, axis=2)
    how = Augmentation(rotation_deg=45, zoom=0.3)
    blocks = np.kron(np.arange(16).reshape(4, 4) % 3, np.ones((16, 16))).astype(np.uint8)
    shown = np.repeat((blocks * 100)[..., None], 3, axis=2)
    changed, told = augment(shown, blocks, how, drawn(rotation_deg=0.8, zoom=0.7), 0)
    assert np.mean(np.rint(changed[..., 0] / 100) == told) > 0.93  # all but the borders between blocks
    assert set(np.unique(told)) <= set(np.unique(blocks))


def test_zoom_doubles_lengths():
    labels = np.zeros((41, 41), np.uint8)
    labels[16:25, 16:25] = 1
    image = np.repeat(labels[..., None] * 200, 3, axis=2).astype(np.uint8)
    _, told = augment(image, labels, Augmentation(zoom=1.0), drawn(zoom=1.0), 0)
    assert (told == 1).sum() == pytest.approx(4 * 81, rel=0.15)
    _, told = augment(image, labels, Augmentation(zoom=1.0), drawn(zoom=0.0), 0)
    # What turns in from outside is the mirror image, so look at the middle.
    assert (told[10:31, 10:31] == 1).sum() == pytest.approx(81 / 4, rel=0.3)


def test_colors_by_hand():
    image, labels = np.full((2, 2, 3), (100, 150, 200), np.uint8), np.zeros((2, 2), np.uint8)

    def change(how, **draws):
        return augment(image, labels, how, drawn(**draws), 0)[0][0, 0].astype(float)

    np.testing.assert_allclose(change(Augmentation(brightness=0.1), brightness=1.0), [126, 176, 226], atol=1)
    np.testing.assert_allclose(change(Augmentation(contrast=0.5), contrast=0.0), [114, 139, 164], atol=1)
    luma = 0.299 * 100 + 0.587 * 150 + 0.114 * 200
    np.testing.assert_allclose(change(Augmentation(saturation=1.0), saturation=0.0), [luma] * 3, atol=1)
    # A third of a turn of hue takes red to green to blue.
    np.testing.assert_allclose(sorted(change(Augmentation(hue_deg=120), hue_deg=1.0)), [100, 150, 200], atol=1)
    turned = change(Augmentation(hue_deg=120), hue_deg=1.0) / 255
    before, after = (colorsys.rgb_to_hsv(*color)[0] for color in (np.array([100, 150, 200]) / 255, turned))
    assert min((after - before) % 1, (before - after) % 1) == pytest.approx(1 / 3, abs=0.01)


def test_gray_stays_gray_and_nothing_wraps_around():
    labels = np.zeros((2, 2), np.uint8)
    gray = np.full((2, 2, 3), 90, np.uint8)
    changed, _ = augment(gray, labels, Augmentation(saturation=1, hue_deg=180), drawn(saturation=1, hue_deg=0.9), 0)
    np.testing.assert_array_equal(changed, gray)
    bright, _ = augment(np.full((2, 2, 3), 250, np.uint8), labels, Augmentation(brightness=0.5), drawn(brightness=1), 0)
    assert (bright == 255).all()
    dark, _ = augment(np.full((2, 2, 3), 5, np.uint8), labels, Augmentation(brightness=0.5), drawn(brightness=0), 0)
    assert (dark == 0).all()


def test_noise_has_its_spread_and_its_seed():
    image, labels = np.full((100, 100, 3), 128, np.uint8), np.zeros((100, 100), np.uint8)
    one, _ = augment(image, labels, Augmentation(noise=0.1), drawn(noise=0.8), 1)
    again, _ = augment(image, labels, Augmentation(noise=0.1), drawn(noise=0.8), 1)
    other, _ = augment(image, labels, Augmentation(noise=0.1), drawn(noise=0.8), 2)
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert one.astype(float).std() == pytest.approx(255 * 0.1 * 0.8, rel=0.03)


def test_input_is_left_alone_and_labels_are_never_invented():
    image, labels = scene()
    before = image.copy(), labels.copy()
    for seed in range(20):
        draws = np.random.default_rng(seed).random(N_DRAWS)
        changed, told = augment(image, labels, ALL, draws, seed)
        assert (changed.dtype, told.dtype, changed.shape, told.shape) == (np.uint8, np.uint8, image.shape, labels.shape)
        assert set(np.unique(told)) <= set(np.unique(labels))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(labels, before[1])
    assert not Augmentation()
