"""The losses over regions once more, in float64 loops written from their definitions.

Shares no code with the package. Gradients are central differences with the pixel weight m held fixed.
"""

import numpy as np
from oracle import Answer, mask_weight, ramped, softmax, spread


def tversky_score(hits, false_positives, false_negatives, *, a, b, smoothing):
    return (hits + smoothing) / (hits + a * false_positives + b * false_negatives + smoothing)


def lovasz(errors, foreground, weights):
    """sum_i e_(i) (J_i - J_(i-1)), errors in falling order; J_i is the Jaccard loss of getting the first i wrong.

    A pixel counts `weights` times, in the foreground or in the background.
    """
    total = sum(m for m, inside in zip(weights, foreground, strict=True) if inside)
    found = background = before = loss = 0.0
    for i in sorted(range(len(errors)), key=lambda i: -errors[i]):
        if foreground[i]:
            found += weights[i]
        else:
            background += weights[i]
        jaccard = 1 - (total - found) / (total + background)
        loss += errors[i] * (jaccard - before)
        before = jaccard
    return loss


def class_loss(k, p, labels, m, *, base, numbers):
    if base == "lovasz":
        foreground = [label == k for label in labels]
        errors = [w * abs(inside - row[k]) for w, inside, row in zip(m, foreground, p, strict=True)]
        return lovasz(errors, foreground, m)
    hits = sum(w * row[k] for w, label, row in zip(m, labels, p, strict=True) if label == k)
    false_positives = sum(w * row[k] for w, label, row in zip(m, labels, p, strict=True) if label != k)
    false_negatives = sum(w * (1 - row[k]) for w, label, row in zip(m, labels, p, strict=True) if label == k)
    a, b, smoothing = numbers["a"][k], numbers["b"][k], numbers["smoothing"]
    miss = 1 - tversky_score(hits, false_positives, false_negatives, a=a, b=b, smoothing=smoothing)
    return max(miss, 0.0) ** (1 / numbers["gamma"])


def total_loss(p, labels, m, class_weights, *, base, numbers):
    """The mean over classes with weight in the labels, each class weighing omega."""
    of_class = np.bincount(labels, weights=m, minlength=len(class_weights)) if labels else np.zeros(len(class_weights))
    present = [k for k, weight in enumerate(of_class) if weight > 0]
    share = sum(float(class_weights[k]) for k in present)
    if share == 0:
        return 0.0
    losses = [float(class_weights[k]) * class_loss(k, p, labels, m, base=base, numbers=numbers) for k in present]
    return sum(losses) / share


def solve(labels, logits, *, base, mask, error_weights, class_weights, numbers, step=1e-5, **rest):
    """Loss, weights and gradient; `mask=None` where the rows of the matrix multiply b instead (by class)."""
    options = {"ramp": 1.0, "ignore_class": None, "sample_weight": None} | rest
    z, size = np.asarray(logits, np.float64), logits.shape[-1]
    matrix = ramped(error_weights, float(options["ramp"]))
    of_mask = {key: numbers[key] for key in ("power", "temperature", "threshold") if key in numbers}
    s = spread(options["sample_weight"], labels.shape)
    pixels = [i for i in np.ndindex(labels.shape) if labels[i] != options["ignore_class"]]
    ids = [int(labels[i]) for i in pixels]
    weights = np.zeros(labels.shape)
    for i, label in zip(pixels, ids, strict=True):
        weights[i] = 1.0 if mask is None else mask_weight(label, z[i].tolist(), matrix, mask=mask, **of_mask)
    m = [weights[i] * s[i] for i in pixels]
    rows = [1.0] * size if mask is not None else [matrix[k][(k + 1) % size] for k in range(size)]
    terms = {
        "a": np.broadcast_to(numbers.get("false_positive_weight", 0.0), (size,)).astype(np.float64),
        "b": np.broadcast_to(numbers.get("false_negative_weight", 0.0), (size,)).astype(np.float64) * rows,
        "smoothing": float(numbers.get("smoothing", 0.0)),
        "gamma": float(numbers.get("gamma", 1.0)),
    }
    p = [softmax(z[i].tolist()) for i in pixels]

    def loss():
        return total_loss(p, ids, m, class_weights, base=base, numbers=terms)

    answer = Answer(weights, np.zeros(0), loss(), np.zeros(z.shape))
    for place, i in enumerate(pixels):
        kept = p[place]
        for k in range(size):
            slopes = []
            for sign in (1, -1):
                moved = z[i].copy()
                moved[k] += sign * step
                p[place] = softmax(moved.tolist())
                slopes.append(sign * loss())
            answer.gradient[(*i, k)] = sum(slopes) / (2 * step)
        p[place] = kept
    return answer
