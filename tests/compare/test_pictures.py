import base64
import io
import json
import math
import re

import numpy as np
import pytest
from hand_worked import sweep_of, trial
from PIL import Image

from fnmask.compare.comparison import write_comparison
from fnmask.compare.pictures import (
    MOST_IMAGES,
    MOST_VARIANTS,
    VOID_COLOR,
    choose_images,
    hatching_png,
    load_pictures,
    mask_png,
    photo_jpeg,
)
from fnmask.compare.pictures_html import pictures_html
from fnmask.tracking.predictions import (
    Predictions,
    pack_pictures,
    pack_predictions,
    pictures_name,
    predictions_name,
    unpack_pictures,
)

LIKE = [[80, 20, 0], [10, 40, 0], [0, 10, 40]]
ROAD_OFF = np.array([[1, 1, 1], [0, 1, 0.5], [1, 1, 1]], np.float32)
SWEEP = sweep_of(trial(0, "plain", LIKE, control="plain"), trial(1, "soft", LIKE))


def pictures_of(*labels):
    labels = np.array(labels, np.uint8)
    images = np.zeros((*labels.shape, 3), np.uint8)
    return unpack_pictures(pack_pictures([f"image{n}" for n in range(len(labels))], images, labels))


def predicted(*class_ids, weights=None, ids=None):
    class_ids = np.array(class_ids, np.uint8)
    weights = np.ones((3, 3), np.float32) if weights is None else weights
    return Predictions(ids or tuple(f"image{n}" for n in range(len(class_ids))), class_ids, weights)


def test_the_images_that_variants_move_most_come_first_with_their_numbers():
    # Class 1 is the road; 255 is void and counts nowhere.
    labels = [[[1, 1, 0, 255]], [[1, 1, 1, 0]], [[0, 0, 2, 2]]]
    plain = predicted([[1, 1, 0, 0]], [[1, 1, 1, 1]], [[0, 0, 2, 2]])
    soft = predicted([[1, 0, 0, 2]], [[0, 2, 1, 0]], [[0, 0, 2, 2]], weights=ROAD_OFF)
    found = choose_images(SWEEP, pictures_of(*labels), {"plain": (plain, ()), "soft": (soft, ("road",))})
    assert [(one.id, round(one.moved, 3)) for one in found] == [("image1", 0.75), ("image0", 0.333), ("image2", 0.0)]
    plain_seen, soft_seen = found[0].seen
    assert (plain_seen.correct, soft_seen.correct) == (0.75, 0.5)
    assert math.isnan(plain_seen.target_recall)
    assert soft_seen.target_recall == pytest.approx(1 / 3)
    # Road called land weighs 0, road called car one half; road found, and land called anything, count in full.
    assert soft_seen.let_off.tolist() == [[True, True, False, False]]
    assert not plain_seen.let_off.any()
    # Void is let off by nobody.
    assert found[1].seen[1].let_off.tolist() == [[False, True, False, False]]


def test_few_images_are_shown_and_only_those_that_all_variants_have():
    labels = np.zeros((9, 2, 2), np.uint8)
    plain, other = predicted(*labels), predicted(*(labels + 1))
    assert len(choose_images(SWEEP, pictures_of(*labels), {"plain": (plain, ()), "a": (other, ())})) == MOST_IMAGES
    some = predicted(*labels[:2], ids=("image4", "image7"))
    found = choose_images(SWEEP, pictures_of(*labels), {"plain": (plain, ()), "a": (some, ())})
    assert {one.id for one in found} == {"image4", "image7"}
    # Measured at another size they cannot lie over each other.
    larger = predicted(*np.zeros((9, 4, 4)))
    assert choose_images(SWEEP, pictures_of(*labels), {"plain": (plain, ()), "a": (larger, ())}) == []
    # One of these leaves the pictures of the others.
    elsewhere = predicted(*labels[:2], ids=("image10", "image11"))
    told = {"plain": (plain, ()), "a": (other, ()), "b": (larger, ()), "c": (elsewhere, ())}
    found = choose_images(SWEEP, pictures_of(*labels), told)
    assert [[seen.variant for seen in one.seen] for one in found] == [["plain", "a"]] * MOST_IMAGES
    assert choose_images(SWEEP, pictures_of(*labels), {"plain": (larger, ()), "a": (other, ()), "b": (other, ())}) == []


def test_masks_have_the_colors_of_the_set():
    png = Image.open(io.BytesIO(mask_png(np.array([[0, 1, 255]], np.uint8), ((10, 20, 30), (40, 50, 60)))))
    assert png.mode == "P"
    assert np.asarray(png.convert("RGB")).tolist() == [[[10, 20, 30], [40, 50, 60], list(VOID_COLOR)]]


def test_hatching_marks_what_is_marked_in_black_and_white_and_nothing_else():
    marked = np.zeros((20, 20), bool)
    marked[5:15, 5:15] = True
    seen = np.asarray(Image.open(io.BytesIO(hatching_png(marked))).convert("RGBA"))
    drawn = seen[..., 3] > 0
    assert not drawn[~marked].any()
    assert 0.5 < drawn[marked].mean() < 0.8  # what lies below is still to be seen
    assert {tuple(color) for color in seen[drawn][:, :3]} == {(0, 0, 0), (255, 255, 255)}


def test_large_images_are_made_smaller():
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 800)).save(buffer, "JPEG")
    assert Image.open(io.BytesIO(photo_jpeg(buffer.getvalue()))).size == (640, 320)
    assert Image.open(io.BytesIO(mask_png(np.zeros((800, 1600), np.uint8), ((1, 2, 3),)))).size == (640, 320)
    assert Image.open(io.BytesIO(hatching_png(np.ones((800, 1600), bool)))).size == (640, 320)


def test_the_section_holds_every_picture_and_its_numbers():
    labels = [[[1, 1, 1, 0]]]
    plain, soft = predicted([[1, 1, 1, 1]]), predicted([[0, 2, 1, 0]], weights=ROAD_OFF)
    told = {"plain": (plain, ()), "soft </script><b>": (soft, ("road",))}
    html = pictures_html(SWEEP, choose_images(SWEEP, pictures_of(*labels), told))
    (packed,) = re.findall(r'id="pictures">(.*?)</script>', html)
    (image,) = json.loads(packed)["images"]
    assert [one["name"] for one in image["variants"]] == list(told)
    assert [one["told"] for one in image["variants"]] == [
        "75.0 % of the pixels right",
        "50.0 % of the pixels right, 33.3 % of the target found",
    ]
    assert [bool(one["letOff"]) for one in image["variants"]] == [False, True]
    label = Image.open(io.BytesIO(base64.b64decode(image["label"].partition(",")[2])))
    assert np.asarray(label).tolist() == labels[0]
    assert pictures_html(SWEEP, []) == ""


def keep(store, run_id, class_ids, weights=None):
    content = pack_predictions(predicted(*class_ids, weights=weights))
    store.attach(run_id, {predictions_name("test"): content})


@pytest.fixture
def kept(store, add_trial):
    """A sweep of a control and two variants, of which the control has kept images."""
    parent = store.open_sweep(study="s", tags={}, params={})
    labels = np.array([[[1, 0]], [[1, 1]]], np.uint8)
    plain = add_trial(parent, 0, "plain", LIKE, control="plain", targets="")
    runs = [add_trial(parent, number, f"soft {number}", LIKE) for number in (1, 2)]
    store.attach(
        plain, {pictures_name("test"): pack_pictures(["image0", "image1"], np.zeros((2, 1, 2, 3), np.uint8), labels)}
    )
    keep(store, plain, labels)
    keep(store, runs[0], 1 - labels, ROAD_OFF)
    return store, runs


def test_pictures_are_read_of_controls_and_variants_that_have_kept_them(kept, tmp_path):
    store, runs = kept
    result = write_comparison(store, ["s"], tmp_path / "out")
    shown = load_pictures(store, result.sweep, result.main)
    assert [[seen.variant for seen in one.seen] for one in shown] == [["plain", "soft 1"]] * 2
    assert 'id="pictures"' in result.report.read_text()
    keep(store, runs[1], np.zeros((2, 1, 2)))
    again = load_pictures(store, result.sweep, result.main)
    assert {seen.variant for seen in again[0].seen} == {"plain", "soft 1", "soft 2"}


def test_what_is_compared_with_has_its_picture_too(kept, tmp_path):
    store, _ = kept
    result = write_comparison(store, ["s"], tmp_path / "out", baseline="soft 1")
    (first, *_) = load_pictures(store, result.sweep, result.main)
    assert [seen.variant for seen in first.seen] == ["plain", "soft 1"]


def test_variants_that_lack_the_seed_take_no_place(kept, add_trial, tmp_path):
    """More of them than are shown, and better ones: they have a seed of which no images are kept."""
    store, _ = kept
    parent = store.find_sweep("s").run_id
    add_trial(parent, 10, "plain", LIKE, seed=1, control="plain", targets="")
    for number in range(MOST_VARIANTS):
        add_trial(parent, 11 + number, f"other {number}", [[83, 17, 0], *LIKE[1:]], seed=1)
    result = write_comparison(store, ["s"], tmp_path / "out")
    (first, *_) = load_pictures(store, result.sweep, result.main)
    assert [seen.variant for seen in first.seen] == ["plain", "soft 1"]


def test_a_class_may_be_called_anything():
    labels = [[[1, 1, 1, 0]]]
    told = {"plain": (predicted(*labels), ()), "soft": (predicted([[1, 1, 0, 0]]), ())}
    sweep = sweep_of(trial(0, "plain", LIKE, control="plain"), class_names=("land", "a <b> & 'c'", "car"))
    html = pictures_html(sweep, choose_images(sweep, pictures_of(*labels), told))
    assert re.findall(r'class="swatch"[^>]*></span>(.*?)</li>', html)[1] == "a &lt;b&gt; &amp; &#x27;c&#x27;"


def test_a_store_of_an_older_version_has_no_pictures(store, add_trial, tmp_path):
    parent = store.open_sweep(study="s", tags={}, params={})
    add_trial(parent, 0, "plain", LIKE, control="plain", targets="")
    add_trial(parent, 1, "soft", LIKE)
    page = write_comparison(store, ["s"], tmp_path / "out").report.read_text()
    assert 'id="pictures"' not in page
