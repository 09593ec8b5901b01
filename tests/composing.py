"""Configs for tests: composed from the real `conf/`, at a size that trains in seconds."""

import atexit
import shutil
import tempfile

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from fnmask.presets import conf_dir
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


def compose_config(*overrides):
    """The composed config with Hydra's node, and without any process-wide trace."""
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=[f"root={ROOT}", *overrides], return_hydra_config=True)


def check(*overrides):
    """The checked config; raises what a person would read."""
    return check_job(compose_config(*overrides))


def make_camvid(root):
    """Empty files in the places of CamVid, one pair for each split."""
    for split in ("train", "val", "test"):
        for kind, suffix in (("images", "jpg"), ("masks", "png")):
            (root / split / kind).mkdir(parents=True)
            (root / split / kind / f"a.{suffix}").touch()


def make_dubai(root):
    """Empty files in the places of the Dubai set."""
    for tile in range(1, 9):
        for kind, suffix in (("images", "jpg"), ("masks", "png")):
            (root / f"Tile {tile}" / kind).mkdir(parents=True)
            for part in range(1, 10):
                (root / f"Tile {tile}" / kind / f"image_part_{part:03d}.{suffix}").touch()
