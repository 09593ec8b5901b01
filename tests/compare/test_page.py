"""The page in a real browser: opened from disk, without a network, every control used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hand_worked import DOWN, PLAIN, SOFT, sweep_of, trial

from fnmask.compare.pictures import choose_images
from fnmask.compare.report import build_report
from fnmask.compare.runs import Sweep
from fnmask.compare.table import build_table
from fnmask.tracking.predictions import Predictions, pack_pictures, unpack_pictures

pytestmark = pytest.mark.slow

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
sync_playwright = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
LIKE = [[82, 18, 0], [10, 40, 0], [0, 10, 40]]
# What would end a script, or keep it from ending, and what plotly would take for markup.
ODD = "soft </script><!--<script> & <b>road"
VARIANTS = ("plain", "down road", "soft road alpha=0", ODD, "soft car")


def made_up_sweep() -> Sweep:
    trials = []
    for seed in range(3):
        shake = np.diag([seed, -seed, 0])
        trials += [
            trial(seed, "plain", (np.array(PLAIN) + shake).tolist(), seed=seed, control="plain"),
            trial(10 + seed, "down road", DOWN, seed=seed, control="class_downweight"),
            trial(20 + seed, "soft road alpha=0", (np.array(SOFT) - shake).tolist(), seed=seed),
            trial(30 + seed, ODD, LIKE, seed=seed),
            trial(40 + seed, "soft car", LIKE, seed=seed, targets=("car",)),
        ]
    return sweep_of(*trials)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep = made_up_sweep()
    tables = {split: build_table(sweep, split, resamples=100) for split in ("test", "val")}
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build_report(sweep, tables, pictures=made_up_pictures(sweep)).html, encoding="utf-8")
    return path


def made_up_pictures(sweep):
    """Two images of which the variants find another half."""
    labels = np.zeros((2, 40, 60), np.uint8)
    labels[:, 10:30] = 1
    kept = unpack_pictures(pack_pictures(["street 1", "street 2"], np.full((2, 40, 60, 3), 120, np.uint8), labels))
    weights = np.array([[1, 1, 1], [0, 1, 0], [1, 1, 1]], np.float32)
    known = {"plain": (Predictions(kept.ids, labels, np.ones((3, 3), np.float32)), ())}
    for number, name in enumerate(VARIANTS[1:4], start=1):
        found = labels.copy()
        found[:, 10 : 10 + 5 * number] = 0
        found[1, :5] = 2
        known[name] = (Predictions(kept.ids, found, weights), ("road",))
    return choose_images(sweep, kept, known)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, report):
    """A function that opens the page with an address and a theme; the test fails on any complaint of the browser."""
    complaints, contexts = [], []

    def open_at(address="", **settings):
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else
                complaints.append(request.url))  # fmt: skip
        page.goto(report.as_uri() + address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


def shown(page, table=0):
    rows = page.locator("table.variants").nth(table).locator("tbody tr:visible")
    return rows.evaluate_all("rows => rows.map(row => row.dataset.variant)")


def points(page, place="tradeoff"):
    """The variants that a picture shows."""
    told = page.evaluate(
        "place => document.getElementById(place).data.flatMap(trace => (trace.customdata ?? []).map(own => own[0]))",
        place,
    )
    return set(told)


def test_everything_is_there_before_anything_is_clicked(open_page):
    page = open_page()
    assert set(shown(page)) == set(VARIANTS)
    assert page.locator(".verdict p").count() == 3
    assert points(page) - {""} == set(VARIANTS) - {"plain"}
    names = page.locator("#misses-0 .ytick").all_text_contents()
    assert ODD in names
    drawn = page.locator(".js-plotly-plot .main-svg").count()
    assert drawn >= 2 * page.locator("[role=figure]").count() > 0
    assert page.locator("#misses-0 .bars path").count() > 0


def test_columns_sort_both_ways_and_back(open_page):
    page = open_page()
    before = shown(page)
    head = page.locator('table.variants >> nth=0 >> th[data-key="target_iou"] button')
    value = 'rows => rows.map(row => parseFloat(row.querySelectorAll("td")[COLUMN].dataset.value))'
    column = page.locator("table.variants >> nth=0 >> thead th").evaluate_all(
        'heads => heads.findIndex(head => head.dataset.key === "target_iou") - 1'
    )
    orders = []
    for expected in ("descending", "ascending"):
        head.click()
        assert head.locator("xpath=..").get_attribute("aria-sort") == expected
        rows = page.locator("table.variants >> nth=0 >> tbody tr")
        orders.append([one for one in rows.evaluate_all(value.replace("COLUMN", str(column))) if one == one])
    assert orders[0] == sorted(orders[0], reverse=True)
    assert orders[1] == sorted(orders[1])
    assert shown(page)[-1] == "plain", "what has no value comes last"
    head.click()
    assert shown(page) == before
    page.locator('table.variants >> nth=0 >> th[data-key="variant"] button').click()
    assert shown(page) == sorted(before, key=str.lower, reverse=True)


def test_filter_hide_and_show_all(open_page):
    page = open_page()
    page.fill("#filter", "SOFT road")
    controls = {"plain", "down road"}
    assert set(shown(page)) == set(shown(page, 1)) == {"soft road alpha=0", ODD, *controls}
    assert points(page) - {""} == {"soft road alpha=0", ODD, "down road"}
    assert page.inner_text("#told") == "4 of 5 variants shown"
    page.get_by_label(f"hide {ODD}").first.click()
    assert set(shown(page)) == {"soft road alpha=0", *controls}
    bars = page.evaluate("document.getElementById('misses-0').data[0].y")
    assert sorted(bars) == ["down road", "plain", "soft road alpha=0"], "controls stay to compare with"
    errors = page.evaluate("document.getElementById('tradeoff').data.map(trace => trace.error_x?.array?.length ?? 0)")
    assert max(errors) == 1
    front = page.locator(".front li:visible").evaluate_all("items => items.map(item => item.dataset.variant)")
    assert ODD not in front
    assert page.locator(".hide").count() == 2 * 3, "a control cannot be hidden"
    page.click("#show-all")
    assert set(shown(page)) == set(VARIANTS)
    assert page.inner_text("#told") == ""


def test_a_link_shows_the_same_view(open_page):
    page = open_page()
    page.fill("#filter", "road")
    page.get_by_label("hide soft road").first.click()
    page.locator('table.variants >> nth=0 >> th[data-key="miou"] button').click()
    page.select_option("#theme", "dark")
    page.click("#link")
    page.wait_for_function("document.getElementById('told').textContent !== ''")
    address = page.evaluate("location.hash")
    other = open_page(address)
    assert shown(other) == shown(page)
    assert other.input_value("#filter") == "road"
    assert other.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_it_is_accessible_and_fits(open_page, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    found = sync_playwright.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_name_of_one_long_word_is_broken(browser, tmp_path):
    long = "road_" + 60 * "mask_"
    sweep = sweep_of(
        trial(0, "plain", PLAIN, control="plain", targets=(long,)),
        trial(1, "soft " + long, SOFT, targets=(long,)),
        class_names=("land", long, "car"),
    )
    labels = np.zeros((1, 40, 60), np.uint8)
    kept = unpack_pictures(pack_pictures(["street"], np.zeros((1, 40, 60, 3), np.uint8), labels))
    told = {name: (Predictions(kept.ids, labels, np.ones((3, 3), np.float32)), ()) for name in ("plain", "soft")}
    path = tmp_path / "report.html"
    tables = {"test": build_table(sweep, "test", resamples=20)}
    path.write_text(build_report(sweep, tables, pictures=choose_images(sweep, kept, told)).html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    # The variant's name stays in view while the table is scrolled: it must leave room for the numbers.
    assert page.locator("table.variants tbody th").first.bounding_box()["width"] < 640
    page.close()


def test_it_prints_light_and_without_its_controls(open_page):
    page = open_page(color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.is_visible(".controls")
    assert not page.locator(".hide").first.is_visible()
    for event, theme in (("beforeprint", "light"), ("afterprint", "dark")):
        page.evaluate("name => window.dispatchEvent(new Event(name))", event)
        assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_the_slider_shows_two_views_of_an_image(open_page):
    page = open_page(viewport={"width": 1280, "height": 900})
    place, stage = page.locator("#picture-place"), page.locator("#picture-stage")
    assert page.locator("#picture-image option").all_inner_texts() == ["street 2", "street 1"]
    assert page.locator("#picture-variant option").all_inner_texts() == list(VARIANTS[1:4])
    alt = "images => images.map(image => image.alt)"
    assert stage.locator("img").evaluate_all(alt) == [
        "street 2: prediction of down road", "pixels that are let off", "street 2: prediction of plain"
    ]  # fmt: skip
    told = page.locator("#picture-told").inner_text()
    assert told == (
        "street 2: plain 100.0 % of the pixels right; down road 75.0 % of the pixels right, 75.0 % of the target found."
    )
    # By keyboard, to the end: the left view covers all.
    place.focus()
    page.keyboard.press("End")
    assert stage.evaluate("stage => stage.style.getPropertyValue('--place')") == "100%"
    assert place.get_attribute("aria-valuetext") == "100 % prediction of plain"
    page.keyboard.press("Home")
    assert stage.locator(".left").evaluate("pane => getComputedStyle(pane).clipPath") == "inset(0px 100% 0px 0px)"
    page.locator("#picture-marked").uncheck()
    assert stage.locator(".marks").count() == 0
    page.locator("#picture-marked").check()
    page.locator("#picture-image").select_option("street 1")
    page.locator("#picture-variant").select_option(ODD)
    page.locator("#picture-left").select_option("image")
    page.locator("#picture-right").select_option("label")
    assert stage.locator("img").evaluate_all(alt) == ["street 1: label", "street 1: image"]
    assert ODD in page.locator("#picture-told").inner_text()
    # Every picture is one that the browser can show.
    assert stage.locator("img").evaluate_all("images => images.every(image => image.naturalWidth === 60)")


def test_paper_shows_every_image_in_a_row(open_page):
    page = open_page()
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    strips = page.locator("#picture-strips > div")
    assert strips.count() == 2
    assert strips.first.locator("img:not(.marks)").count() == 4
    assert strips.first.is_visible()
    assert not page.locator("#picture-stage").is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert strips.count() == 0
