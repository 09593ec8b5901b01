"""The loss once more, pixel by pixel in float64, written from its definition and sharing no code with the package."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Answer:
    weights: np.ndarray  # w (B, H, W), 0 at void
    loss: float
    gradient: np.ndarray  # dL/dlogits (B, H, W, C) with w and Z held fixed


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def log_softmax(z):
    shifted = z - z.max()
    return shifted - np.log(np.exp(shifted).sum())


def solve(
    labels, logits, *, error_weights, class_weights, ramp=1.0, mask="argmax", ignore_class=None, normalizer="valid"
):
    batch, height, width, num_classes = logits.shape
    z = np.asarray(logits, np.float64)
    weights = np.zeros(labels.shape)
    total, divisor = 0.0, 0.0
    gradient = np.zeros(z.shape)
    for pixel in np.ndindex(batch, height, width):
        label = int(labels[pixel])
        if normalizer == "all":
            divisor += 1
        if label == ignore_class:
            continue
        p = softmax(z[pixel])
        row = [(1 - ramp) + ramp * error_weights[label][k] for k in range(num_classes)]
        if mask == "argmax":
            predicted = max(range(num_classes), key=lambda k: (z[pixel][k], -k))
            w = row[predicted]
        else:
            w = sum(row[k] * p[k] for k in range(num_classes))
        weights[pixel] = w
        omega = class_weights[label]
        total += omega * w * -log_softmax(z[pixel])[label]
        gradient[pixel] = omega * w * (p - np.eye(num_classes)[label])
        divisor += {"all": 0, "valid": 1, "kept": w > 0, "weight": omega * w, "class_weight": omega}[normalizer]
    if divisor == 0:
        return Answer(weights, 0.0, np.zeros(z.shape))
    return Answer(weights, total / divisor, gradient / divisor)
