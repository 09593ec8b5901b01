"""Both pages in a real browser: opened from disk, without a network."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from checking import Arrays, labels_of, photo

from fnmask.check.checking import check_source
from fnmask.check.contact_sheet import draw_sheet
from fnmask.check.page import build_page, fill_page, legend
from fnmask.check.showing import TrainView, load_shown, show_augmentation, show_labels, show_let_off
from fnmask.check.strips import part_html
from fnmask.data.rasters import UnreadableError
from fnmask.losses.error_matrix import error_weights

pytestmark = pytest.mark.slow

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
sync_playwright = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
LONG = "a_very_long_name_without_any_blank_that_must_be_broken_somewhere_" * 2


def source():
    train = [(f"t{i}", photo(i), labels_of(20 - i, 10 + i, 4)) for i in range(9)]
    train += [(f"c{i}", photo(40 + i), labels_of(34)) for i in range(8)]
    train += [(LONG, photo(20), labels_of(34)), ("broken", None, UnreadableError(f"{LONG}.png is empty."))]
    return Arrays(
        {"train": train, "val": [("t0", photo(0), labels_of(20, 14))], "test": [("x", photo(31), labels_of(2, 30, 2))]}
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, own = tmp_path_factory.mktemp("pages"), source()
    report = check_source(own, name="made up", digest="d" * 64)
    view = TrainView((32, 34), (16, 16), "both", 0)
    whole = Arrays({"train": own.images["train"][:9]})
    arrays = load_shown(whole, view, 2)
    parts = [
        show_labels(whole, 2),
        show_augmentation(whole, arrays, view, 4),
        show_let_off(whole, arrays, error_weights(3, false_negatives={1: 0.0}), (1,), "loss=ignore_fn road"),
    ]
    classes = legend(own.class_names, own.class_colors)
    written = {
        "check": build_page(report, draw_sheet(own, report)),
        "show": fill_page("Data set: made up", "images", [part_html(part, classes) for part in parts]),
    }
    paths = {name: folder / f"{name}.html" for name in written}
    for name, page in written.items():
        paths[name].write_text(page, encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, pages):
    """A function that opens a page; the test fails on any complaint of the browser, or any request."""
    complaints, contexts = [], []

    def open_at(name, **settings):
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else
                complaints.append(request.url))  # fmt: skip
        page.goto(pages[name].as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
@pytest.mark.parametrize("name", ["check", "show"])
def test_it_is_accessible_fits_and_follows_the_theme(open_page, name, scheme, width):
    page = open_page(name, color_scheme=scheme, viewport={"width": width, "height": 900})
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in background[4:-1].split(",")) > 3 * 128) == (scheme == "light")
    found = sync_playwright.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_picture_is_drawn(open_page):
    for name in ("check", "show"):
        widths = open_page(name).locator("img").evaluate_all("images => images.map(one => one.naturalWidth)")
        assert len(widths) > 5
        assert min(widths) > 100


def test_findings_come_first_and_long_lists_open(open_page):
    page = open_page("check")
    assert page.locator("article").first.get_attribute("class") == "error"
    tops = [page.locator(what).first.bounding_box()["y"] for what in ("article", "table", "figure")]
    assert tops == sorted(tops)
    closed = page.locator("details:not([open])").first
    hidden = closed.locator("li").first
    assert not hidden.is_visible()
    closed.locator("summary").click()
    assert page.locator("details[open] li").first.is_visible()


def test_bars_are_as_long_as_their_shares(open_page):
    page = open_page("check", viewport={"width": 1280, "height": 900})
    sizes = page.locator("td.share").evaluate_all(
        "cells => cells.map(cell => [parseFloat(cell.textContent),"
        " parseFloat(getComputedStyle(cell, '::after').backgroundSize)])"
    )
    np.testing.assert_allclose([share for share, _ in sizes], [length for _, length in sizes], atol=0.01)
    assert max(share for share, _ in sizes) > 50


def test_it_prints_light(open_page):
    page = open_page("check", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
