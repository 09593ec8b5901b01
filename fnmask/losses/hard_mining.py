"""Online hard example mining after the mask: only the hardest of the pixels that the mask has left count.

Mining before the mask would select, as the hardest, just what the mask is there to let off.

Source: Shrivastava et al. 2016, arXiv:1604.03540; here over the pixels of a batch, and after the mask.
"""

from keras import ops

from fnmask.losses.sums import pixel_count
from fnmask.shapes import Tensor

_BITS = 31


def hardest(losses: Tensor, is_kept: Tensor, fraction: Tensor) -> Tensor:
    """Selects the k = ceil(fraction * kept) pixels of the largest loss; those tied with the last of them come along.

    Args:
        losses: weighted losses `(B, H, W)`, >= 0.
        is_kept: booleans `(B, H, W)`, the pixels that can be chosen.
        fraction: in (0, 1].

    Returns:
        Booleans `(B, H, W)`.
    """
    losses = ops.abs(ops.cast(losses, "float32"))  # -log 1 is -0, whose bits are those of a negative integer
    # The bits of non-negative floats, read as integers, are in the order of the floats. The new axis is there because
    # Keras' view wants to know the size of the last one.
    order = ops.where(is_kept, ops.view(losses[..., None], "int32")[..., 0], -1)
    kept = ops.cast(pixel_count(is_kept), "float32")
    wanted = ops.cast(ops.ceil(ops.cast(fraction, "float32") * kept), "int32")
    return ops.logical_and(is_kept, order >= _rank(order, wanted))


def _rank(order: Tensor, wanted: Tensor) -> Tensor:
    """The largest integer that at least `wanted` entries reach, bit by bit: a tenth of the time of sorting them."""
    reached = ops.zeros((), dtype="int32")
    for bit in reversed(range(_BITS)):
        candidate = reached + 2**bit
        enough = pixel_count(order >= candidate) >= wanted
        reached = ops.where(enough, candidate, reached)
    return reached
