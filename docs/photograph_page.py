"""Photographs a comparison's page: `python docs/photograph_page.py report.html FOLDER`, with Debian's chromium.

Its top in light on a laptop, `page.png`, and in dark on a phone, `page_small.png`.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

VIEWS = {"page.png": (1280, 1900, "light"), "page_small.png": (480, 1400, "dark")}


def main(report: Path, folder: Path) -> None:
    """Write both pictures."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (width, height, scheme) in VIEWS.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(report.resolve().as_uri())
            page.wait_for_selector("#tradeoff .main-svg")
            taken = Image.open(io.BytesIO(page.screenshot()))
            # A palette is a third of the size, and the page has few colors.
            taken.convert("RGB").quantize(128).save(folder / name, optimize=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
