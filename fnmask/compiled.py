"""A computation compiled on its own, so that it is fast in a step that is not compiled."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compile_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as an XLA computation on TensorFlow and JAX, unchanged on torch, which runs eagerly.

    In a step that is compiled as a whole it dissolves. Every new combination of shapes and keyword arguments is
    compiled once, at its first call; after five TensorFlow warns of it, and images of one size are the cure.

    Args:
        function: of tensors, or containers of them, by position; keyword-only arguments are hashable settings.
    """
    import keras

    compiled = function
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(function, jit_compile=True, autograph=False)
    elif keras.backend.backend() == "jax":
        import jax

        parameters = inspect.signature(function).parameters.values()
        settings = [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
        compiled = jax.jit(function, static_argnames=settings)
    return compiled
