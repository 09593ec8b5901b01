"""From a data set to its report, its text and its page."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from checking import Arrays, kinds, labels_of, photo
from rich.console import Console

from fnmask.check.checking import check_source, report_refused
from fnmask.check.contact_sheet import draw_sheet, overlay
from fnmask.check.finding import Finding, Place, by_severity
from fnmask.check.page import build_page
from fnmask.check.report import CHECK_VERSION, finding_text, from_json, to_json
from fnmask.check.terminal import print_report
from fnmask.data.mask_values import UnknownValueError
from fnmask.data.named.camvid import CamVid
from fnmask.data.named.dubai import Dubai
from fnmask.data.rasters import UnreadableError
from fnmask.data.source import SPLITS, MissingPartnersError


def troubled():
    """A set with one of each error, and doubts."""
    void = np.full((32, 34), 255, np.uint8)
    return Arrays(
        {
            "train": [
                ("a", photo(0), labels_of(20, 14)),
                ("broken", None, UnreadableError("broken.png is empty.")),
                ("colors", None, UnknownValueError("colors.png holds #FF0000", {"#FF0000": 7, "#00FF00": 2})),
                ("ids", photo(1), labels_of(20, 10, 3, 1)),
                ("size", photo(2), labels_of(34)[1:]),
                ("void", photo(3), void),
                ("<b>odd</b>", photo(4), labels_of(34)),
            ],
            "val": [("a", photo(0), labels_of(14, 20))],
            "test": [("t1", photo(6), labels_of(30, 4)), ("t1", photo(7), labels_of(20, 14))],
        }
    )


def test_every_trouble_is_told_and_none_ends_the_check():
    report = check_source(troubled(), name="troubled", digest="d" * 64, n_workers=1)
    assert kinds(report.of("error")) == [
        ("error", "same_id"),
        ("error", "unreadable"),
        ("error", "size"),
        ("error", "unknown"),
    ]
    of = {finding.kind: finding for finding in report.findings}
    assert [str(place) for place in of["same_id"].where] == ["test/t1"]
    assert [str(place) for place in of["unreadable"].where] == ["train/broken: broken.png is empty."]
    assert of["unreadable"].message.startswith("Images that cannot be read, or their masks: 1 of 10.")
    assert of["unknown"].count == 2
    assert "they hold 3 (32 px), #FF0000 (7 px), #00FF00 (2 px). Correct them" in (of["unknown"].message)
    assert [place.id for place in of["unknown"].where] == ["ids", "colors"], "the worst first"
    assert {"duplicate_across", "all_void", "absent", "constant"} <= set(of)
    assert report.summary().startswith("4 errors, ")
    train = report.splits["train"]
    assert (train.images, train.readable) == (7, 3)
    # One with 20 and 14 columns of 32 pixels, one with 34, one void.
    assert train.class_pixels == (54 * 32, 14 * 32, 0)
    assert train.images_with == (2, 1, 0)
    assert train.void_pixels == 34 * 32
    assert train.class_share(0) == pytest.approx(54 / 68)
    assert train.void_share == pytest.approx(1 / 3)


def test_a_split_without_images_or_with_broken_ones_alone():
    source = Arrays({"train": [("a", None, UnreadableError("no"))]})
    report = check_source(source)
    assert kinds(report.findings) == [("error", "empty"), ("error", "unreadable")]
    assert report.findings[0].message == "The val split has no image. Give it at least one."
    assert report.splits["train"].readable == 0
    assert "0x0" in text_of(report)
    build_page(report)


def test_groups_of_the_source_come_before_its_names():
    images = {
        split: [(f"{split}_{i}", photo(10 * len(split) + i), labels_of(20, 14)) for i in range(3)] for split in SPLITS
    }
    groups = {"train": ("x", "", "z"), "val": ("x", "", ""), "test": ("y", "y", "y")}
    found = [one for one in check_source(Arrays(images, groups=groups)).findings if one.kind == "leakage"]
    assert [(one.severity, one.count) for one in found] == [("warning", 1)]
    assert found[0].where[0].id == "x"


def test_a_set_that_is_not_opened_is_one_error_if_its_files_are_at_fault():
    report = report_refused(MissingPartnersError("2 files have no partner.", ["a", "b"]), name="folder")
    assert report is not None
    assert kinds(report.findings) == [("error", "partner")]
    assert finding_text(report.findings[0]) == "2 files have no partner. Nothing else was checked. [a; b]"
    assert kinds(report_refused(UnreadableError("a.png is empty.")).findings) == [("error", "unreadable")]
    assert report_refused(ValueError("split_by is odd")) is None
    assert report_refused(None) is None


def test_a_report_is_written_and_read_back():
    report = check_source(troubled(), name="troubled", digest="d" * 64)
    assert from_json(to_json(report)) == report
    assert json.loads(to_json(report))["summary"] == report.summary()
    older = to_json(report).replace(f'"version": {CHECK_VERSION}', '"version": -1')
    for text in (older, "{}", "[]", "nothing"):
        with pytest.raises(ValueError, match="no report of a data check"):
            from_json(text)


def test_errors_come_first_and_places_are_cut():
    findings = [
        Finding("hint", "a", "."),
        Finding("error", "b", "."),
        Finding("warning", "c", "."),
        Finding("error", "d", "."),
    ]
    assert [one.kind for one in by_severity(findings)] == ["b", "d", "c", "a"]
    places = tuple(Place("train", name, "why") for name in "abcde")
    assert finding_text(Finding("error", "x", "Bad.", places), most=2) == "Bad. [train/a: why; train/b: why and 3 more]"
    assert finding_text(Finding("error", "x", "Bad.", (Place("val", "", "only the split"),))) == "Bad."


def text_of(report, width=100):
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        print_report(report, console)
        return console.export_text()


def test_the_text_has_findings_then_shares():
    text = text_of(check_source(troubled(), name="troubled", digest="d" * 64))
    assert text.startswith("Data set troubled, digest dddddddddddd: 4 errors, ")
    assert text.index("error ") < text.index("warning ") < text.index("hint ") < text.index("Share of labeled pixels")
    assert "<b>odd</b>" in text
    (row,) = [line for line in text.splitlines() if line.split()[:1] == ["land"]]
    assert row.split() == ["land", "79.41", "2", "41.18", "1", "73.53", "2"]


def test_the_page_names_what_the_text_names_and_escapes_it():
    source = troubled()
    report = check_source(source, name="<i>set</i>", digest="d" * 64)
    page = build_page(report, draw_sheet(source, report))
    assert "<b>odd" not in page
    assert "<i>set" not in page
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    for finding in report.findings:
        assert finding.message.partition("[")[0][:40].replace("'", "&#x27;") in page
    assert page.index('class="error"') < page.index("Classes by split") < page.index("Contact sheet")
    assert '<td class="share" style="--share: 79.41%">79.41</td><td>2</td>' in page
    assert '<td class="share none" style="--share: 0.00%">0.00</td><td>0</td>' in page


def test_the_sheet_shows_named_images_first_and_stays_small():
    many = {
        "train": [(f"{i}", photo(i), labels_of(34)) for i in range(60)],
        "val": [("v", photo(99), labels_of(20, 14))],
    }
    source = Arrays(many)
    report = check_source(source, n_workers=1)
    cells = draw_sheet(source, report)
    assert cells[0].reasons == ("constant",)
    named = [bool(cell.reasons) for cell in cells]
    assert named == sorted(named, reverse=True)
    assert len({cell.name for cell in cells}) == len(cells) == 6 + 4 - 1 + 1, (
        "six named, one of which stands for train too"
    )
    assert all(len(cell.picture) < 40_000 for cell in cells)
    troubles = draw_sheet(troubled(), check_source(troubled()))
    assert "train/broken" not in {cell.name for cell in troubles}


def test_an_overlay_is_half_gray_half_color():
    source = Arrays({})
    image = np.array([[[30, 60, 90], [30, 60, 90]]], np.uint8)
    mixed = overlay(image, np.array([[1, 255]], np.uint8), source)
    # Gray 60; class 1 is (80, 40, 140), void (205, 205, 205).
    np.testing.assert_array_equal(mixed, [[[70, 50, 100], [132, 132, 132]]])


# The counts and shares that were made from the files by hand, of the labeled pixels in percent.
CAMVID = {
    "train": (367, [17.54, 24.22, 1.02, 32.96, 4.67, 10.12, 1.22, 1.17, 6.11, 0.67, 0.30], 3.95),
    "val": (101, [9.34, 26.41, 0.57, 29.46, 8.87, 16.62, 0.91, 3.13, 1.78, 0.66, 2.26], 1.70),
    "test": (233, [17.75, 25.59, 1.22, 26.84, 9.64, 11.70, 1.05, 1.23, 4.13, 0.66, 0.20], 3.83),
}
IN_TRAIN = (366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201)
DUBAI = {
    "train": (48, [13.92, 51.40, 9.80, 10.65, 14.24], 0.49),
    "val": (8, [8.53, 66.11, 8.60, 2.34, 14.42], 0.25),
    "test": (16, [14.53, 50.82, 8.84, 13.87, 11.95], 3.20),
}
IN_ALL = (58, 72, 64, 59, 68)

real = pytest.mark.skipif(
    "FNMASK_DATA" not in os.environ, reason="FNMASK_DATA does not name the folder of the real sets"
)


def assert_published(report, published):
    for split, (images, shares, void) in published.items():
        own = report.splits[split]
        assert (own.images, own.readable) == (images, images)
        np.testing.assert_allclose([100 * own.class_share(label) for label in range(len(shares))], shares, atol=0.006)
        assert 100 * own.void_share == pytest.approx(void, abs=0.006)


@real
def test_camvid_has_the_published_numbers_and_its_known_leaks():
    report = check_source(CamVid(root=str(Path(os.environ["FNMASK_DATA"], "camvid"))), name="camvid")
    assert_published(report, CAMVID)
    assert report.splits["train"].images_with == IN_TRAIN
    assert report.splits["val"].smallest == report.splits["test"].largest == (360, 480)
    assert report.of("error") == []
    warnings = report.of("warning")
    assert kinds(warnings) == [("warning", "leakage"), ("warning", "leakage"), ("warning", "unlike")]
    # All of val is a burst of a drive of train; the one shared drive of test goes on where train stops.
    assert [(one.count, [place.id for place in one.where]) for one in warnings[:2]] == [
        (101, ["0016E5"]),
        (62, ["0001TP"]),
    ]
    assert "train/0001TP_008520 and test/0001TP_008550" in warnings[1].where[0].detail
    assert "val is unlike test: 12.3 %" in warnings[2].message
    assert "bicyclist 2.3 against 0.2 %" in warnings[2].message
    assert not {"duplicate", "duplicate_across"} & {one.kind for one in report.findings}, "no image comes twice"


@real
def test_dubai_has_the_published_numbers_and_shares_every_tile():
    report = check_source(Dubai(root=str(Path(os.environ["FNMASK_DATA"], "dubai"))), name="dubai")
    assert_published(report, DUBAI)
    with_class = np.array([own.images_with for own in report.splits.values()]).sum(axis=0)
    np.testing.assert_array_equal(with_class, IN_ALL)
    assert report.of("error") == []
    leaks = [one for one in report.of("warning") if one.kind == "leakage"]
    assert [(one.count, len(one.where)) for one in leaks] == [(8, 8), (16, 8), (16, 8)]
    (void,) = [one for one in report.findings if one.kind == "much_void"]
    assert void.where[0].id == "tile8_part3"
