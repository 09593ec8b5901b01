"""Every contestant of the input stream hands over every image once, and has its row in the report."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("grain", reason="python -m benchmarks.data needs the extra streams")
pytest.importorskip("albumentations", reason="python -m benchmarks.data needs the extra streams")

NAMES = ("keras", "keras.cache", "pillow", "grain", "albumentations", "ours")


@pytest.mark.slow
def test_the_report_has_a_row_for_each(capsys):
    from benchmarks.data import main

    main(["--parts", "stream", "--made-up", "17", "--rounds", "1", "--size", "32", "48", "--batch", "4"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert tuple(row.split("`")[1] for row in rows) == NAMES
    assert all(float(cell.split()[0]) > 0 for row in rows for cell in row.split("|")[2:6])


@pytest.mark.slow
def test_every_image_comes_once_an_epoch(tmp_path):
    from benchmarks.data_streams import Pairs, make_epochs, make_first_epochs

    for split in ("train", "val"):
        for folder, channels in (("images", (3,)), ("masks", ())):
            (tmp_path / split / folder).mkdir(parents=True)
            for number in range(12):
                values = np.random.default_rng(number).integers(0, 12, (32, 48, *channels), np.uint8)
                Image.fromarray(values).save(tmp_path / split / folder / f"{number}.png")
    pairs = Pairs(tmp_path / "train", tuple((f"{number}.png", f"{number}.png") for number in range(12)), (16, 24), 4)
    for make in (make_first_epochs, make_epochs):
        assert {name: epoch() for name, epoch in make(pairs, tmp_path).items()} == dict.fromkeys(NAMES, 12)
