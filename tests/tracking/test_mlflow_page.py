"""MLflow's own pages in a real browser, on the store of a real sweep: what a person sees who follows the link."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from test_end_to_end import train

from fnmask.tracking.mlflow_store import MlflowStore

pytestmark = pytest.mark.slow

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
# The page says hello at length to whoever opens it for the first time.
KNOWN = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
VARIANTS = ["plain", "class_downweight road alpha=0.5", "ignore_fn road", "soften_fn road alpha=0 power=1"]
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project with a sweep of four variants."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    root = tmp_path_factory.mktemp("project")
    done = train(root, "--multirun", "+sweeps=quickstart", "seed=0", "loss=choice(ignore_fn,soften_fn)")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture(scope="module")
def address(root):
    """MLflow's server on the project's database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--backend-store-uri", f"sqlite:///{root}/mlflow.db", "--host", "127.0.0.1", "--port", str(port)]
    with (root / "server.txt").open("w") as told:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words, "--workers", "1"],
            cwd=root,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    try:
        deadline_s = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                assert server.poll() is None, (root / "server.txt").read_text()
                assert time.monotonic() < deadline_s, (root / "server.txt").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # it has children of its own
        server.wait(30)


@pytest.fixture(scope="module")
def page(address):
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 2000, "height": 1000})
        page.set_default_timeout(WAIT_MS)
        page.add_init_script(KNOWN)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def store(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return MlflowStore(root, "fnmask", create=False)


def column(page, name):
    """The cells of a column, from the top."""
    cells = page.locator(
        f'.ag-center-cols-container [col-id="{name}"], .ag-pinned-left-cols-container [col-id="{name}"]'
    )
    cells.first.wait_for()
    text = "(one.querySelector('a') ?? one).textContent.trim()"  # beside the link of a name is its color
    placed = cells.evaluate_all(f"all => all.map(one => [one.getBoundingClientRect().y, {text}])")
    return [text for _, text in sorted(placed)]


def test_the_link_opens_the_trials_sorted_with_the_columns_that_answer(page, address, store):
    sweep = store.find_sweep()
    page.goto(address + store.view_link(sweep.run_id))
    page.locator("span:has(> strong)", has_text="4 matching runs").wait_for()
    gains = [float(text) for text in column(page, "metrics.`tradeoff/others_gain`")]
    assert gains == sorted(gains, reverse=True)
    assert sorted(column(page, "attributes.`Run Name`")) == sorted(VARIANTS)
    expected = {run.name: run.metrics["tradeoff/others_gain"] for run in store.runs(sweep.run_id)}
    shown = dict(zip(column(page, "attributes.`Run Name`"), gains, strict=True))
    assert shown == pytest.approx(expected, rel=1e-4)
    # By place: the page makes the elements of columns in the order in which they come into view.
    heads = page.locator(".ag-header-cell").evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().x, one.getAttribute('col-id')])"
        ".sort((a, b) => a[0] - b[0]).map(one => one[1])"
    )
    metrics = [head for head in heads if head.startswith("metrics.")]
    assert metrics[:4] == [
        *("metrics.`tradeoff/others_gain`", "metrics.`tradeoff/target_cost`"),
        *("metrics.`val/miou_without_target`", "metrics.`val/iou/road`"),
    ]
    assert page.get_by_role("link", name="quickstart, sorted by its objective").is_visible()
    assert page.get_by_role("button", name="quickstart").first.is_visible(), "it is the view that is chosen"


def test_the_experiment_says_how_to_read_its_table_and_leads_there(page, address, store):
    (experiment,) = [own for own in store._client.search_experiments() if own.name == "fnmask"]
    page.goto(f"{address}#/experiments/{experiment.experiment_id}/runs")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="quickstart, sorted by its objective").click()
    opened.value.set_default_timeout(WAIT_MS)
    opened.value.locator("span:has(> strong)", has_text="4 matching runs").wait_for()
    assert len(column(opened.value, "metrics.`tradeoff/others_gain`")) == 4


def test_the_page_of_the_sweep_shows_verdict_search_and_report(page, address, store):
    sweep = store.find_sweep()
    (experiment,) = [own for own in store._client.search_experiments() if own.name == "fnmask"]
    where = f"{address}#/experiments/{experiment.experiment_id}/runs/{sweep.run_id}"
    page.goto(where)
    page.wait_for_selector("text=2 masked losses and 1 class down-weighting for road against the plain control")
    page.get_by_text("Show more").first.click()
    told = page.inner_text("body")
    assert "One seed settles nothing" in told
    assert "Written by fnmask compare --sweep quickstart" in told
    assert "objective tradeoff/others_gain: maximize" in told
    page.goto(f"{where}/artifacts/compare/report.html")
    inside = page.frame_locator("iframe").first
    inside.get_by_role("heading", name="Loss variants compared: quickstart").wait_for()


def test_the_page_of_a_trial_says_what_it_is_and_shows_its_numbers(page, address, store):
    run = next(run for run in store.runs(store.find_sweep().run_id) if run.name == "ignore_fn road")
    (experiment,) = [own for own in store._client.search_experiments() if own.name == "fnmask"]
    page.goto(f"{address}#/experiments/{experiment.experiment_id}/runs/{run.run_id}")
    page.wait_for_selector("text=A pixel of road that the network calls something else costs nothing.")
    told = page.inner_text("body")
    assert "points of IoU for the other classes" in told
    assert "val/iou/road" in told
    assert "aerial/train" in told
