import functools

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
    engine, arrays, store = Engine(), split(), FeatureStore(tmp_path)
    for seed in (0, 1):
        expected, seen = train(prepare(engine, cached=False, seed=seed), arrays)
        network = prepare(engine, cached=True, seed=seed)
        given = store.encode(network.encoder, arrays, content="x")
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


def test_features_are_computed_once(tmp_path, monkeypatch):
    arrays, first = split(), encoder()
    store = FeatureStore(tmp_path)
    made = store.encode(first, arrays, content="a")
    assert made.images.shape == (11, first.output_shape[-1])
    expected = first(arrays.images.astype(np.float32), training=False)
    np.testing.assert_allclose(made.images, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made.labels, arrays.labels)

    def refuse(*_):
        pytest.fail("computed again")

    monkeypatch.setattr("fnmask.engine.features._fill", refuse)
    again = FeatureStore(tmp_path).encode(encoder(), arrays, content="a")
    np.testing.assert_array_equal(again.images, made.images)
    with pytest.raises(pytest.fail.Exception):
        store.encode(first, arrays, content="other images")
    with pytest.raises(pytest.fail.Exception):
        store.encode(encoder(seed=1), arrays, content="a")
    assert len(list(tmp_path.iterdir())) == 1, "nothing half-done is left"


def test_features_stay_in_memory_where_they_cannot_be_kept(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    arrays, first = split(3), encoder()
    in_memory = FeatureStore(None).encode(first, arrays, content="a")
    refused = FeatureStore(tmp_path / "file" / "folder").encode(first, arrays, content="a")
    np.testing.assert_array_equal(refused.images, in_memory.images)
    assert "Features stay in memory" in caplog.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("backbone.freeze=false", "backbone.freeze is false"),
        ("backbone.freeze_batch_norm=false", "batch norms see other images in every batch"),
        ("dataset.flips=both", "dataset.flips is both: a mirrored image has other features"),
        ("dataset.crop_size=[8,8]", "every crop has other features"),
        ("trainer.precision=mixed_float16", "kept in float32"),
        ("trainer.n_devices=2", "fed to one device"),
    ],
)
def test_features_are_refused_with_the_reason(change, reason):
    with pytest.raises(ConfigError, match=reason):
        check(*FROZEN, "trainer.cache_features=true", change)


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
        Workbench().prepare(check(*FROZEN, "dataset.flips=both"))
    assert "The frozen encoder runs in every step: dataset.flips is both" in caplog.text
