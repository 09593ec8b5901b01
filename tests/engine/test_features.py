import functools
import os

import keras
import numpy as np
import pytest
from composing import check
from frozen_network import build
from problems import C, course, masked

from fnmask.binding import ConfigError
from fnmask.data.arrays import SplitArrays
from fnmask.data.pipeline import TrainStream, eval_batches
from fnmask.engine.cache import Engine, Structure
from fnmask.engine.features import FeatureStore
from fnmask.models.frozen import cut_at_frozen_encoder
from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import Workbench

SIZE = (10, 7)


def split(count=11, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *SIZE, 3), np.uint8)
    return SplitArrays(tuple(map(str, range(count))), images, rng.integers(0, C, (count, *SIZE)).astype(np.uint8))


def encoder(seed=0):
    keras.utils.set_random_seed(seed)
    return cut_at_frozen_encoder(build(), SIZE).features


def prepare(engine, *, cached, seed=0):
    structure = Structure(
        key=("features", cached),
        build_model=build,
        build_optimizer=lambda: keras.optimizers.Adam(0.05),
        num_classes=C,
        ignore_class=255,
        cut=functools.partial(cut_at_frozen_encoder, image_size=SIZE) if cached else None,
    )
    return engine.prepare(structure, seed=seed)


def train(network, arrays):
    stream = TrainStream(arrays, batch_size=4, crop_size=None, flips="none", seed=0)
    network.train(stream.iterate(), course(masked(0.3), warmup_steps=3), until=6)
    training = network.end_epoch(6)
    return training, network.evaluate(eval_batches(arrays, batch_size=4, pad_label=255), len(arrays.ids))


def test_training_on_features_equals_training_on_images_but_for_rounding(tmp_path):
    engine, arrays, store = Engine(), split(), FeatureStore(tmp_path, 2**20)
    for seed in (0, 1):
        expected, seen = train(prepare(engine, cached=False, seed=seed), arrays)
        network = prepare(engine, cached=True, seed=seed)
        given = store.encode(network.encoder, {"val": arrays}, content="x")["val"]
        training, evaluation = train(network, given)
        assert training.loss == pytest.approx(expected.loss, rel=1e-4)
        np.testing.assert_allclose(training.removed, expected.removed, atol=2)
        assert evaluation.loss_base == pytest.approx(seen.loss_base, rel=1e-3)
        assert np.abs(evaluation.matrices - seen.matrices).sum() <= 0.01 * seen.matrices.sum()
        # The whole model has learned, for whoever gives it images.
        whole = np.argmax(network.model(arrays.images.astype(np.float32), training=False), -1)
        batches = eval_batches(given, batch_size=4, pad_label=255)
        assert (network.predict(batches, len(given.ids)) == whole).mean() > 0.99
    assert len(list(tmp_path.glob("*.npy"))) == 2, "random encoders differ by seed"


def encode(folder, first, arrays, *, content="a", most=2**20, **named):
    return FeatureStore(folder, most).encode(first, {"val": arrays}, content=content, **named)["val"]


def test_features_are_computed_once(tmp_path, monkeypatch):
    arrays, first = split(), encoder()
    made = encode(tmp_path, first, arrays)
    assert made.images.shape == (11, first.output_shape[-1])
    expected = first(arrays.images.astype(np.float32), training=False)
    np.testing.assert_allclose(made.images, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made.labels, arrays.labels)

    def refuse(*_):
        pytest.fail("computed again")

    monkeypatch.setattr("fnmask.engine.features._compute", refuse)
    np.testing.assert_array_equal(encode(tmp_path, encoder(), arrays).images, made.images)
    for other in ({"content": "other images"}, {"first": encoder(seed=1)}):
        with pytest.raises(pytest.fail.Exception):
            encode(tmp_path, **{"first": first, "arrays": arrays, **other})
    assert [path.suffix for path in tmp_path.iterdir() if path.name[0] != "."] == [".npy"], "nothing half-done is left"


def test_a_file_that_is_no_features_is_computed_again(tmp_path, caplog):
    arrays, first = split(), encoder()
    made = np.array(encode(tmp_path, first, arrays).images)
    (path,) = tmp_path.glob("*.npy")
    for content in (path.read_bytes()[:-100], b"", b"no array"):
        path.write_bytes(content)
        np.testing.assert_array_equal(encode(tmp_path, first, arrays).images, made)
    np.save(path, np.zeros((3, 2), np.float32))
    np.testing.assert_array_equal(encode(tmp_path, first, arrays).images, made)
    assert caplog.text.count("is computed again") == 4


def test_the_folder_is_bounded(tmp_path):
    arrays, first = split(), encoder()
    most = int(2.5 * 4 * 11 * first.output_shape[-1])
    for age, content in enumerate("abc"):
        encode(tmp_path, first, arrays, content=content, most=most)
        for path in tmp_path.glob("*.npy"):
            os.utime(path, (1000 + age, 1000 + age)) if path.stat().st_mtime > 10**6 else None
    assert len(list(tmp_path.glob("*.npy"))) == 2
    with pytest.raises(OSError, match=r"more than trainer\.features_gib"):
        encode(tmp_path, first, arrays, content="d", most=most // 3)


def test_encoding_can_be_interrupted(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(tmp_path, encoder(), split(), on_batch=interrupt)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("backbone.freeze=false backbone.freeze_batch_norm=false", "backbone.freeze is false"),
        ("backbone.freeze_batch_norm=false", "batch norms see other images in every batch"),
        ("dataset.flips=both", "dataset.flips is both: a mirrored image has other features"),
        ("dataset.crop_size=[8,8]", "every crop has other features"),
        ("trainer.precision=mixed_float16", "kept in float32"),
        ("trainer.n_devices=2", "fed to one device"),
    ],
)
def test_features_are_refused_with_the_reason(change, reason):
    with pytest.raises(ConfigError, match=reason):
        check(*FROZEN, "trainer.cache_features=true", *change.split())


FROZEN = (
    *("backbone=unet", "backbone.encoder=mobilenetv2", "backbone.freeze=true", "backbone.freeze_batch_norm=true"),
    *("dataset=aerial", "dataset.image_size=[32,32]", "dataset.size_px=32", "dataset.crop_size=null"),
    *("dataset.n_train=8", "dataset.n_val=4", "dataset.n_test=2", "dataset.flips=none"),
    *("trainer.epochs=2", "trainer.steps_per_epoch=3", "trainer.batch_size=4", "trainer.eval_batch_size=4"),
    *("loss=attenuate_fn", "loss.target=road", "loss.warmup_epochs=1", "loss.ramp_epochs=0"),
)


@pytest.mark.slow
def test_a_trial_on_features_equals_one_on_images(tmp_path, caplog):
    results = {}
    for cached in ("false", "auto", "auto"):
        tracker, bench = MemoryTracker(), Workbench()
        config = check(*FROZEN, f"root={tmp_path}", f"trainer.cache_features={cached}")
        results[cached] = run_trial(config, tracker, workbench=bench)
    for key in ("val/miou", "val/loss_base", "train/loss"):
        assert results["auto"].metrics[key] == pytest.approx(results["false"].metrics[key], rel=0.02, abs=0.01), key
    assert len(list((tmp_path / "mlruns" / ".features").glob("*.npy"))) == 3
    with caplog.at_level("INFO"):
        small = check(*FROZEN, f"root={tmp_path}", "trainer.features_gib=0.001")
        expected = results["false"].metrics["val/miou"]
        assert run_trial(small, MemoryTracker(), workbench=Workbench()).metrics["val/miou"] == pytest.approx(expected)
        Workbench().prepare(check(*FROZEN, "dataset.flips=both"))
    assert "The frozen encoder runs in every step: features take" in caplog.text
    assert "The frozen encoder runs in every step: dataset.flips is both" in caplog.text
