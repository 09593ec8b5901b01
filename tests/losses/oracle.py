"""The losses over pixels once more, pixel by pixel in float64, from their definitions.

Shares no code with the package. Gradients are central differences of the loss of a pixel, with everything under the
stop-gradient (the weight w, the divisor Z, the choice of hard pixels, the prediction that relabels) held fixed.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Answer:
    weights: np.ndarray  # w (B, H, W) of the mask, 0 at void
    pixels: np.ndarray  # the map whose mean is the loss
    loss: float
    gradient: np.ndarray  # d loss / d logits


def log_softmax(z):
    top = max(z)
    normalizer = top + math.log(sum(math.exp(value - top) for value in z))
    return [value - normalizer for value in z]


def softmax(z):
    return [math.exp(value) for value in log_softmax(z)]


def strongest(z, *, without=None):
    best = None
    for k, value in enumerate(z):
        if k != without and (best is None or value > z[best]):
            best = k
    return best


def ramped(matrix, ramp):
    return [[(1 - ramp) + ramp * float(entry) for entry in row] for row in matrix]


def mask_weight(label, z, matrix, *, mask, power=1.0, temperature=1.0, threshold=0.5):
    """w of one pixel: a + (1 - a) s, or the expectation of the row."""
    row, p, called = matrix[label], softmax(z), strongest(z)
    rival = strongest(z, without=label)
    if mask == "expectation":
        return sum(row[k] * p[k] for k in range(len(z)))
    survival = {
        "argmax": 1.0 if called == label else 0.0,
        "confidence": p[label] ** power,
        "margin": 1 / (1 + math.exp(min(700.0, -(z[label] - z[rival]) / temperature))),
        "threshold": 1.0 if p[label] >= threshold else 0.0,
        "disagreement": 0.0 if called != label and max(p) >= threshold else 1.0,
    }[mask]
    return row[rival] + (1 - row[rival]) * survival


def term(base, label, z, matrix, numbers, *, ramp=1.0, called=None):
    """The loss of one pixel; `matrix` is the ramped one, `called` the prediction that is held fixed."""
    log_p = log_softmax(z)
    if base == "crossentropy":
        epsilon = numbers.get("label_smoothing", 0.0)
        target = [(1 - epsilon) * (k == label) + epsilon / len(z) for k in range(len(z))]
        return -sum(t * log for t, log in zip(target, log_p, strict=True))
    if base == "focal":
        against = sum(math.exp(log) for k, log in enumerate(log_p) if k != label)  # 1 - p_y, with all its digits
        return against ** numbers["gamma"] * -log_p[label]
    if base == "generalized":
        return (1 - math.exp(numbers["q"] * log_p[label])) / numbers["q"]
    if base == "expected_cost":  # from cross-entropy alone at ramp 0 to mu CE + lambda cost at ramp 1
        cost = sum(numbers["costs"][label][k] * math.exp(log_p[k]) for k in range(len(z)) if k != label)
        share = (1 - ramp) + ramp * numbers["crossentropy_weight"]
        return share * -log_p[label] + ramp * numbers["cost_weight"] * cost
    if base == "label_set":
        accepted = [1.0 if k == label else 1 - matrix[label][k] for k in range(len(z))]
        top = max(log for log, share in zip(log_p, accepted, strict=True) if share > 0)
        total = sum(share * math.exp(log - top) for log, share in zip(log_p, accepted, strict=True))
        return -(top + math.log(total))
    if base == "relabel":
        kept = matrix[label][called]
        return -kept * log_p[label] - (1 - kept) * log_p[called]
    raise KeyError(base)


def term_gradient(*arguments, step=1e-5, **fixed):
    base, label, z, *rest = arguments
    slopes = []
    for k in range(len(z)):
        up, down = list(z), list(z)
        up[k] += step
        down[k] -= step
        slopes.append((term(base, label, up, *rest, **fixed) - term(base, label, down, *rest, **fixed)) / (2 * step))
    return np.array(slopes)


def hardest(contributions, kept, fraction):
    """The ceil(fraction * kept) kept pixels of the largest contribution, and those tied with the last of them."""
    ranked = sorted((contributions[pixel] for pixel in kept), reverse=True)
    if not ranked:
        return set()
    last = ranked[math.ceil(fraction * len(kept) - 1e-6) - 1]
    return {pixel for pixel in kept if contributions[pixel] >= last}


def divisors(normalizer, pixels, labels, w, omega, s):
    """Z of every labeled pixel; 0 where nothing counts."""
    if normalizer == "per_class":
        of_class = {}
        for i in pixels:
            of_class[labels[i]] = of_class.get(labels[i], 0.0) + w[i]
        present = sum(total > 0 for total in of_class.values())
        return {i: present * of_class[labels[i]] for i in pixels}
    total = {
        "none": 1.0,
        "all": float(labels.size),
        "valid": float(len(pixels)),
        "kept": float(sum(w[i] > 0 for i in pixels)),
        "weight": sum(omega[i] * w[i] * s[i] for i in pixels),
        "class_weight": sum(omega[i] for i in pixels),
    }[normalizer]
    return dict.fromkeys(pixels, total)


def solve(labels, logits, *, base, mask, normalizer, error_weights, class_weights, numbers, **rest):
    """Loss, map, weights and gradient; `mask=None` where the matrix is part of the term."""
    options = {"ramp": 1.0, "ignore_class": None, "sample_weight": None, "hardest_fraction": None} | rest
    z, ramp = np.asarray(logits, np.float64), float(options["ramp"])
    matrix = ramped(error_weights, ramp)
    term_numbers = {"costs": np.asarray(error_weights, np.float64)} | numbers
    of_mask = {key: numbers[key] for key in ("power", "temperature", "threshold") if key in numbers}
    s = spread(options["sample_weight"], labels.shape)
    pixels = [i for i in np.ndindex(labels.shape) if labels[i] != options["ignore_class"]]
    weights, losses, slopes, omega = np.zeros(labels.shape), {}, {}, {}
    for i in pixels:
        label, scores = int(labels[i]), z[i].tolist()
        omega[i] = float(class_weights[label])
        weights[i] = 1.0 if mask is None else mask_weight(label, scores, matrix, mask=mask, **of_mask)
        arguments = (base, label, scores, matrix, term_numbers)
        fixed = {"ramp": ramp, "called": strongest(scores)}
        losses[i], slopes[i] = term(*arguments, **fixed), term_gradient(*arguments, **fixed)

    w = weights.copy()
    if options["hardest_fraction"] is not None:
        contributions = {i: omega[i] * w[i] * s[i] * losses[i] for i in pixels}
        counting = [i for i in pixels if omega[i] * w[i] * s[i] > 0]
        for i in set(counting) - hardest(contributions, counting, options["hardest_fraction"]):
            w[i] = 0.0
    z_of = divisors(normalizer, pixels, labels, w, omega, s)
    answer = Answer(weights, np.zeros(labels.shape), 0.0, np.zeros(z.shape))
    for i in pixels:
        scale = omega[i] * w[i] * s[i] / z_of[i] if z_of[i] > 0 else 0.0
        answer.pixels[i] = scale * losses[i] * (labels.size if normalizer != "none" else 1)
        answer.gradient[i] = scale * slopes[i]
        answer.loss += scale * losses[i]
    return answer


def spread(sample_weight, shape):
    """One sample weight per pixel."""
    if sample_weight is None:
        return np.ones(shape)
    given = np.asarray(sample_weight, np.float64)
    return np.broadcast_to(given.reshape(-1, 1, 1) if given.ndim < 3 else given, shape)
