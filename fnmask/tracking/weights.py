"""The weights of a trained network as a file of its run."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WEIGHTS = "weights.npz"


def pack_weights(weights: Sequence[NDArray[np.float32]]) -> bytes:
    """The content of `weights.npz`: arrays by their place in `model.get_weights()`.

    Not compressed, since weights do not shrink; and by place, since Keras names layers by how many came before them.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{f"{place:04}": array for place, array in enumerate(weights)})
    return buffer.getvalue()


def unpack_weights(content: bytes) -> list[NDArray[np.float32]]:
    """Read what `pack_weights` wrote, for `model.set_weights`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in sorted(arrays.files, key=int)]
