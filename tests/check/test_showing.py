import io

import numpy as np
import pytest
from checking import Arrays, labels_of, photo
from folders import fill
from PIL import Image

from fnmask.check.mistakes import let_off, plausible_mistakes
from fnmask.check.showing import (
    LET_OFF_COLOR,
    TrainView,
    load_shown,
    show_augmentation,
    show_labels,
    show_let_off,
    spread,
)
from fnmask.check.strips import Part, Strip, draw_parts, part_html
from fnmask.cli import main
from fnmask.data.label_noise import OverWide
from fnmask.losses.error_matrix import error_weights

# A stripe of class 1, six columns wide, between 0 and 2; the smaller side is 32, so the mistakes are 2 px wide.
STRIPE = labels_of(14, 6, 14)


def test_mistakes_are_of_one_class_alone():
    missed, narrow, wide = plausible_mistakes(STRIPE, 1, 255).values()
    # The stripe goes to whichever class is nearer.
    np.testing.assert_array_equal(missed, labels_of(17, 0, 17))
    np.testing.assert_array_equal(narrow, labels_of(16, 2, 16))
    np.testing.assert_array_equal(wide, labels_of(12, 10, 12))
    assert list(plausible_mistakes(STRIPE, 1, 255))[1:] == ["drawn 2 px too narrow", "drawn 2 px too wide"]


def test_a_prediction_has_no_void():
    labels = STRIPE.copy()
    labels[:, :4] = 255
    for predicted in plausible_mistakes(labels, 1, 255).values():
        assert (predicted[:, :4] == 0).all()
        assert predicted.max() == 2


def test_an_image_that_lacks_the_class_or_has_no_other_has_nothing_to_mistake():
    for labels in (labels_of(34), labels_of(0, 34)):
        with pytest.raises(ValueError, match="lack class 1, or any other"):
            plausible_mistakes(labels, 1, 255)


def test_let_off_are_wrong_pixels_that_weigh_less():
    missed, _, wide = plausible_mistakes(STRIPE, 1, 255).values()
    misses, alarms = error_weights(3, false_negatives={1: 0.25}), error_weights(3, false_positives={1: 0})
    np.testing.assert_array_equal(let_off(STRIPE, missed, misses), STRIPE == 1)
    assert not let_off(STRIPE, wide, misses).any()
    np.testing.assert_array_equal(let_off(STRIPE, wide, alarms), (wide == 1) & (STRIPE != 1))
    void = np.full_like(STRIPE, 255)
    assert not let_off(void, wide, alarms).any()


def source():
    return Arrays({"train": [(f"t{i}", photo(i), STRIPE) for i in range(5)], "val": [("v", photo(9), labels_of(34))]})


def view(**changes):
    given = {
        "image_size": (32, 34),
        "crop_size": (16, 16),
        "flips": "both",
        "seed": 0,
    }
    return TrainView(**(given | changes))


def test_images_are_spread_over_a_split():
    assert spread(9, 3) == [0, 4, 8]
    assert spread(2, 5) == [0, 1]
    captions = [strip.caption for strip in show_labels(source(), 2).strips]
    assert captions == ["train/t0, 32 x 34 px", "train/t4, 32 x 34 px", "val/v, 32 x 34 px"]


def test_draws_are_those_of_the_training_stream():
    arrays = load_shown(source(), view(), 2)
    assert arrays.ids == ("t0", "t4")
    part = show_augmentation(source(), arrays, view(), 3)
    whole, *drawn = part.strips[0].pictures
    assert whole.size == (34, 64), "the image, and below it the labels"
    assert [picture.size for picture in drawn] == [(16, 32)] * 3
    assert len({picture.tobytes() for picture in drawn}) == 3
    again = show_augmentation(source(), arrays, view(), 3)
    assert again.strips[0].pictures[1].tobytes() == drawn[0].tobytes()
    assert "random crops of 16 x 16 px, flips: both" in part.note


def test_label_noise_is_shown():
    noisy = view(label_noise=OverWide(target="road", px=2))
    arrays = load_shown(source(), noisy, 1)
    np.testing.assert_array_equal(arrays.labels[0], labels_of(12, 10, 12))
    assert (
        "The labels of road are made worse on purpose (OverWide)." in show_augmentation(source(), arrays, noisy, 1).note
    )


def test_what_a_loss_lets_off_is_counted_and_marked():
    arrays = load_shown(source(), view(), 1)
    part = show_let_off(source(), arrays, error_weights(3, false_negatives={1: 0.25}), (1,), "loss=attenuate_fn road")
    assert [strip.caption for strip in part.strips] == [
        "train/t0: road missed altogether. Of 192 wrong pixels 192 are let off, at a weight of 0.25.",
        "train/t0: road drawn 2 px too narrow. Of 128 wrong pixels 128 are let off, at a weight of 0.25.",
        "train/t0: road drawn 2 px too wide. Of 128 wrong pixels 0 are let off.",
    ]
    marked = np.asarray(part.strips[0].pictures[-1])
    np.testing.assert_array_equal((marked == LET_OFF_COLOR).all(axis=-1), STRIPE == 1)
    nothing = show_let_off(source(), arrays, np.ones((4, 4)), (3,), "loss=x")
    assert nothing.strips == ()
    assert "None of the images" in nothing.note


def test_parts_as_html_and_as_one_picture():
    parts = [Part("A & B", "Note <1>", (Strip("one <b>", (Image.new("RGB", (20, 10)),) * 3),)), Part("C", "", ())]
    html = part_html(parts[0], "<p>before</p>")
    assert "<h2>A &amp; B</h2>" in html
    assert "Note &lt;1&gt;</p><p>before</p>" in html
    assert 'alt="one &lt;b&gt;"' in html
    drawn = draw_parts(parts, ["land"], [(200, 0, 0)])
    # Three pictures of 240 px with 4 px between them, and 10 px at both sides.
    assert drawn.width == 3 * 240 + 2 * 4 + 2 * 10
    colors = {color for _, color in drawn.getcolors(100_000)}
    assert {(200, 0, 0), (0, 0, 0), (255, 255, 255)} <= colors


SMALL_AERIAL = [
    *("dataset.n_train=3", "dataset.n_val=1", "dataset.n_test=1", "dataset.size_px=48"),
    *("dataset.image_size=[48,48]", "dataset.crop_size=[32,32]"),
]


@pytest.mark.parametrize("name", ["page.html", "picture.png"])
def test_the_command_writes_a_page_or_a_picture(tmp_path, capsys, name):
    path = tmp_path / "made" / name
    assert (
        main(["data", "show", *SMALL_AERIAL, f"root={tmp_path}", "loss=ignore_fn", "loss.target=road", "-o", str(path)])
        == 0
    )
    assert str(path) in capsys.readouterr().out
    if name.endswith("png"):
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            assert picture.width > 600
    else:
        page = path.read_text()
        assert "What loss=ignore_fn road lets off" in page
        assert "wrong pixels" in page
        assert "at a weight of 0." in page


def test_without_a_loss_or_with_one_that_lets_nothing_off_that_part_is_left_out(tmp_path, capsys):
    for words in ([], ["loss=plain"]):
        path = tmp_path / "page.html"
        assert main(["data", "show", *SMALL_AERIAL, f"root={tmp_path}", *words, "-o", str(path)]) == 0
        assert "lets off</h2>" not in path.read_text()
    assert "loss=plain lets nothing off" in capsys.readouterr().out


def test_a_set_without_the_class_of_the_loss_by_default_is_shown(tmp_path):
    fill(tmp_path)
    words = ["dataset=folder", f"dataset.root={tmp_path}", "dataset.classes=[land,water]", f"root={tmp_path}"]
    assert main(["data", "show", *words, "-o", str(tmp_path / "page.html")]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "x.jpg"], "must end in .html or .png"),
        (["-o", "x.png", "--draws", "0"], "Give 1 or more"),
        (["loss.target=raod", "-o", "x.png"], "Did you mean road?"),
    ],
)
def test_show_refuses(capsys, words, told):
    assert main(["data", "show", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Nothing was shown.\n")
    assert told in error


def test_a_place_that_cannot_be_written_to_is_2(tmp_path, capsys):
    (tmp_path / "file").write_text("a file")
    path = tmp_path / "file" / "show.png"
    assert main(["data", "show", *SMALL_AERIAL, f"root={tmp_path}", "-o", str(path)]) == 2
    assert capsys.readouterr().err.startswith("What is to be shown cannot be written: ")
