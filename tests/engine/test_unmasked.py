"""Every variant is, while its matrix does not count, the loss that its warm-up trains."""

import numpy as np
import pytest
import tensorflow as tf
from composing import SMALL, check

from fnmask.losses.build import build_loss
from fnmask.presets import conf_dir

VARIANTS = sorted(path.stem for path in (conf_dir() / "loss").glob("*.yaml"))


def differentiate(loss, labels, logits):
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits)
    return float(value), tape.gradient(value, logits).numpy()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_without_its_matrix_is_its_unmasked_loss(variant):
    base = {"region_fn": "dice", "class_tversky": "tversky"}.get(variant, "crossentropy")
    confusions = ["loss.confusions={road: {land: 0.2}}"] if variant == "confusions" else []
    config = check(*SMALL, f"loss={variant}", f"base={base}", *confusions)
    spec, rng = config.loss, np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 6, 6)).astype(np.int32)
    logits = tf.constant(rng.normal(0, 2, (2, 6, 6, 5)).astype(np.float32))
    weights = rng.uniform(0.5, 2, 5)
    masked, unmasked = (
        build_loss(each, config.base, class_weights=weights, ignore_class=None) for each in (spec, spec.unmasked)
    )
    masked.assign(ramp=0.0)
    (value, gradient), (expected, direction) = (differentiate(each, labels, logits) for each in (masked, unmasked))
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient, direction, rtol=1e-5, atol=1e-8)
    assert spec.unmasked.is_unmasked
    assert spec.is_unmasked == (variant in ("plain", "class_downweight"))
