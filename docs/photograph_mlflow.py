"""Photographs MLflow's runs table: `python docs/photograph_mlflow.py ADDRESS FOLDER`, with Debian's chromium.

ADDRESS is what a sweep prints behind "Browse", and `mlflow ui` runs. On a desktop, `mlflow.png`.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright


def main(address: str, folder: Path, width: int = 1600) -> None:
    """Write the picture."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 760})
        # MLflow opens its assistant for whoever comes for the first time.
        page.add_init_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
        page.goto(address)
        page.locator(".ag-center-cols-container .is-ordered-by").first.wait_for()
        page.wait_for_timeout(2000)  # the columns find their width
        taken = Image.open(io.BytesIO(page.screenshot()))
        taken.convert("RGB").quantize(64).save(folder / "mlflow.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
