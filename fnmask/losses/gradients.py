"""A function with its own derivative; the two halves are compiled by `fnmask.compiled`."""

from collections.abc import Callable
from typing import Any

from keras import ops

from fnmask.shapes import Tensor

Forward = Callable[..., tuple[Tensor, Tensor]]
"""(logits, *constants) -> value, residuals."""

Backward = Callable[..., Tensor]
"""(upstream, residuals, logits, *constants) -> gradient with respect to the logits."""


def with_gradient(forward: Forward, backward: Backward, logits: Tensor, *constants: Any) -> Tensor:
    """`forward(logits, *constants)[0]`, differentiated by `backward`.

    Only first derivatives, and only with respect to the logits.
    """

    def evaluate(z: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        value, residuals = forward(z, *constants)

        def gradient(*args: Tensor, upstream: Tensor = None) -> Tensor:
            incoming = args[0] if upstream is None else upstream  # TensorFlow passes it by position, torch by name
            return backward(incoming, residuals, z, *constants)

        return value, gradient

    return ops.custom_gradient(evaluate)(logits)
