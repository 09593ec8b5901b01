"""A computation compiled on its own, so that it is fast in a step that is not compiled."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

_AS_A_WHOLE: ContextVar[bool] = ContextVar("compiled_as_a_whole", default=False)


@contextmanager
def compiled_as_a_whole() -> Iterator[None]:
    """Trace within: functions that are compiled alone become part of what is compiled here.

    XLA would do the same with them; but TensorFlow keeps a trace of theirs for each step that they were traced in, and
    with it the whole graph of that step, for as long as the process lives.
    """
    before = _AS_A_WHOLE.set(True)
    try:
        yield
    finally:
        _AS_A_WHOLE.reset(before)


def is_compiled_as_a_whole() -> bool:
    """Whether what is traced now becomes part of a step that XLA compiles."""
    return _AS_A_WHOLE.get()


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

        @functools.wraps(function)
        def trace(*args: Any, **settings: Any) -> Any:
            with compiled_as_a_whole():
                return function(*args, **settings)

        alone = tf.function(trace, jit_compile=True, autograph=False)

        @functools.wraps(function)
        def compiled(*args: Any, **settings: Any) -> Any:
            return (function if is_compiled_as_a_whole() else alone)(*args, **settings)

    elif keras.backend.backend() == "jax":
        import jax

        parameters = inspect.signature(function).parameters.values()
        settings = [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
        compiled = jax.jit(function, static_argnames=settings)
    return compiled
