"""Run with KERAS_BACKEND set and a path: what the losses say of fixed problems on that backend, as an .npz file."""

import sys

import keras
import numpy as np

from fnmask import losses

SHAPE, VOID = (2, 4, 5), 255
ROW = {"ignore_false_negatives_of": [1, 3], "alpha": 0.3}
UNEVEN = {"error_weights": [[1, 0.5, 0, 1.7], [0.2, 1, 0.2, 0], [1, 1, 1, 1], [0, 0.6, 0.3, 1]]}
SCORE = {"false_positive_weight": [0.2, 0.4, 0.6, 0.8], "false_negative_weight": 0.7}

MASKS = {
    "confidence": ROW | {"power": 0.7},
    "expectation": UNEVEN,
    "margin": UNEVEN | {"temperature": 2.0},
    "threshold": UNEVEN | {"threshold": 0.8},
    "disagreement": UNEVEN | {"threshold": 0.9},
}

# name -> class and arguments: every base, mask, normalizer and reduction.
CASES = {
    **{
        normalizer: (losses.MaskedCrossentropy, UNEVEN | {"normalizer": normalizer})
        for normalizer in ("valid", "all", "kept", "weight", "class_weight", "per_class", "none")
    },
    **{mask: (losses.MaskedCrossentropy, {"mask": mask} | arguments) for mask, arguments in MASKS.items()},
    "sum": (losses.MaskedCrossentropy, UNEVEN | {"reduction": "sum"}),
    "mean of weights": (losses.MaskedCrossentropy, UNEVEN | {"reduction": "mean_with_sample_weight"}),
    "smoothed": (losses.MaskedCrossentropy, ROW | {"label_smoothing": 0.2}),
    "ramp": (losses.MaskedCrossentropy, UNEVEN | {"ramp": 0.3}),
    "mined": (losses.MaskedCrossentropy, UNEVEN | {"hardest_fraction": 0.4, "normalizer": "kept"}),
    "focal": (losses.MaskedFocalCrossentropy, UNEVEN | {"gamma": 0.5}),
    "generalized": (losses.MaskedGeneralizedCrossentropy, UNEVEN),
    "expected cost": (losses.ExpectedCost, UNEVEN | {"crossentropy_weight": 0.4}),
    "label set": (losses.LabelSetCrossentropy, ROW),
    "relabel": (losses.RelabelCrossentropy, ROW),
    "dice": (losses.MaskedDice, UNEVEN | {"mask": "expectation"}),
    "jaccard": (losses.MaskedJaccard, UNEVEN | {"smoothing": 1.0}),
    "tversky": (losses.MaskedTversky, UNEVEN | SCORE),
    "tversky by class": (losses.MaskedTversky, ROW | SCORE | {"by_class": True}),
    "focal tversky": (losses.MaskedFocalTversky, UNEVEN | SCORE),
    "lovasz": (losses.MaskedLovaszSoftmax, UNEVEN),
}


def problem():
    """Labels with void, logits with NaN there, class weights, sample weights."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, SHAPE).astype(np.int32)
    logits = rng.normal(0, 3, (*SHAPE, 4)).astype(np.float32)
    labels[rng.random(SHAPE) < 0.2] = VOID
    logits[labels == VOID] = np.nan
    logits[0, 0, 0] = [300, -300, 0, 0]  # saturated
    labels[0, 0, 0] = 1
    return labels, logits, rng.uniform(0.5, 2, SHAPE).astype(np.float32)


def build(name):
    kind, arguments = CASES[name]
    return kind(4, class_weights=[1.0, 0.5, 2.0, 3.0], ignore_class=VOID, **arguments)


def evaluate(loss, labels, logits, weights=None):
    """Value and gradient (of the sum) of a loss, in whichever way the backend differentiates."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        logits = tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits, weights)
        return value.numpy(), tape.gradient(value, logits).numpy()
    if keras.backend.backend() == "jax":
        import jax

        def total(z):
            value = loss(labels, z, weights)
            return value.sum(), value

        gradient, value = jax.grad(total, has_aux=True)(jax.numpy.asarray(logits))
        return np.asarray(value), np.asarray(gradient)
    import torch

    logits = torch.tensor(logits, requires_grad=True)
    before = logits.detach().clone()
    value = loss(labels, logits, weights)
    value.sum().backward()
    assert torch.equal(logits.nan_to_num(), before.nan_to_num())  # P34, where tensors could be written to
    return value.detach().numpy(), logits.grad.numpy()


def message(action):
    """What a refusal says."""
    try:
        action()
    except ValueError as error:
        return str(error)
    return "accepted"


def ties():
    """Weights at pixels whose logits are all equal, each way of reading them."""
    matrix, labels = [[1, 0.5, 0.25], [0.1, 1, 0.2], [0.3, 0.4, 1]], np.array([[[0, 1, 2]]])
    numbers_of = {"argmax": {}, "margin": {}, "threshold": {"threshold": 0.5}, "disagreement": {"threshold": 0.3}}
    for dtype in ("float16", "bfloat16", "float32"):
        logits = keras.ops.zeros((1, 1, 3, 3), dtype=dtype)
        for mask, numbers in numbers_of.items():
            loss = losses.MaskedCrossentropy(3, error_weights=matrix, mask=mask, **numbers)
            yield f"tie {dtype} {mask}", keras.ops.convert_to_numpy(loss.pixel_weights(labels, logits))


def fitted(labels, logits):
    """Weights after two steps of `model.fit`, compiled where the backend compiles."""
    model = keras.Sequential([keras.Input(logits.shape[1:]), keras.layers.Dense(4, kernel_initializer="identity")])
    model.compile(keras.optimizers.SGD(0.5), loss=losses.WeightedSum([build("focal"), build("tversky")]))
    model.fit(np.nan_to_num(logits), labels, batch_size=1, shuffle=False, verbose=0)
    return model.get_weights()[0]


def answers():
    labels, logits, weights = problem()
    yield "backend", keras.backend.backend()
    for name in CASES:
        value, gradient = evaluate(build(name), labels, logits, weights)
        yield f"value {name}", value
        yield f"gradient {name}", gradient
    total = losses.WeightedSum([build("focal"), build("tversky")], weights=[0.5, 2.0])
    yield "value of a sum", evaluate(total, labels, logits, weights)[0]
    assigned = build("valid")
    assigned.assign(**build("ramp").numbers)
    yield "value assigned", evaluate(assigned, labels, logits, weights)[0]
    yield "fitted", fitted(labels, logits)
    yield from ties()
    loss = build("valid")
    yield "undeclared", message(lambda: loss(np.full(SHAPE, 7), logits))
    yield "probabilities", message(lambda: loss(labels, keras.ops.softmax(np.nan_to_num(logits))))
    yield "schedule", message(lambda: losses.MaskSchedule(loss, warmup_steps=0, ramp_steps=0))
    if keras.backend.backend() == "jax":
        import jax

        yield "traced undeclared", np.asarray(jax.jit(build("valid"))(np.full(SHAPE, 7), logits))


if __name__ == "__main__":
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)  # every loss compiled on its own would take half a minute
    np.savez(sys.argv[1], **dict(answers()))
