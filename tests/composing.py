"""Configs for tests: composed from the real `conf/`, at a size that trains in seconds."""

import atexit
import functools
import shutil
import tempfile

from hydra.types import RunMode
from hydra.version import setbase
from PIL import Image
from remembering import RememberingLoader

from fnmask.sweep.composer import check_job
from fnmask.train import register_resolvers

# Trials keep data and steps below their root: that of tests is not the checkout.
ROOT = tempfile.mkdtemp(prefix="fnmask-tests-")
atexit.register(shutil.rmtree, ROOT, ignore_errors=True)

SMALL = [
    *("dataset.n_train=4", "dataset.n_val=4", "dataset.n_test=3", "dataset.size_px=48"),
    *("dataset.image_size=[48,48]", "dataset.crop_size=null", "backbone.width=4", "backbone.depth=1"),
    *("trainer.epochs=2", "trainer.batch_size=2", "trainer.eval_batch_size=3", "tracking.overlay_images=1"),
    *("trainer.share_steps=false",),
]


@functools.cache
def _loader():
    register_resolvers()
    setbase("1.3")
    return RememberingLoader()


def compose_config(*overrides):
    """The composed config with Hydra's node, as `hydra.compose` returns it, without any process-wide trace."""
    return _loader().load_configuration("config", [f"root={ROOT}", *overrides], RunMode.RUN, from_shell=False)


def check(*overrides):
    """The checked config; raises what a person would read."""
    return check_job(compose_config(*overrides))


def make_camvid(root):
    """Empty files in the places of CamVid, one pair for each split."""
    for split in ("train", "val", "test"):
        for kind, suffix in (("images", "jpg"), ("masks", "png")):
            (root / split / kind).mkdir(parents=True)
            (root / split / kind / f"a.{suffix}").touch()


def make_folder(root):
    """Nine tiny pairs of a person's own."""
    for kind in ("images", "masks"):
        (root / kind).mkdir()
    for number in range(9):
        Image.new("RGB", (4, 3), (number, 9, 9)).save(root / "images" / f"{number}.jpg")
        Image.new("L", (4, 3), number % 2).save(root / "masks" / f"{number}.png")
