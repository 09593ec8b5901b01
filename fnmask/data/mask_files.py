"""Masks as they are stored: values or colors, whole or in parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.data.rasters import (
    TiffHead,
    UnreadableError,
    Window,
    has_rasterio,
    largest_value,
    read_head,
    read_palette,
    read_raster,
)
from fnmask.data.reading import DEEP_MODES, as_rgb, has_deep_colors, is_tiff, opened, part_of, take_three

_JPEG_TIFF = "TIFF file compressed as JPEG"
_DEEP = "{} has 16 bits in a pixel, and colors have 8 in a channel. Give mask_format=ids, and a class map with ids."


def read_values(path: Path, window: Window | None = None) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """A mask as it is stored.

    Args:
        path: of the file.
        window: part of it; None for the whole.

    Returns:
        Values `(H, W)` of one channel, uint8 or uint16, where the file holds gray levels or palette indices; else
        colors `(H, W, 3)` uint8. And where the file is transparent, `(H, W)`, or None; of ids that says nothing.

    Raises:
        UnreadableError: it cannot be read, or holds anything else.
    """
    if window is not None and is_tiff(path) and has_rasterio():
        _refuse_loss(_JPEG_TIFF if read_head(path).is_jpeg else None, path)
        return _raster_values(read_raster(path, window), path)
    values, clear = part_of(_whole_values, path, window)
    return values, clear


def _whole_values(path: Path) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    with opened(path) as picture:
        _refuse_loss(_lossy_kind(picture, path), path)
        if picture.mode in ("L", "P"):
            return _as_stored(picture, path), _clear(picture)
        if picture.mode == "1":
            return np.array(picture).astype(np.uint8), None
        if picture.mode in DEEP_MODES and picture.mode != "F":
            values = _checked(np.array(picture), path)
            # Pillow turns bytes round where white is 0, but not these.
            return 65535 - values if is_tiff(path) and read_head(path).is_inverted else values, None
        if has_deep_colors(picture):  # Pillow keeps the upper halves, in which ids are 0
            raise UnreadableError(f"{path} has 16 bits in each of its channels; save it with 8, or in one channel.")
        if picture.mode in ("RGB", "RGBA", "LA", "PA"):
            return as_rgb(picture), _clear(picture)
        raise UnreadableError(f"{path} has mode {picture.mode}; a mask is gray, palette, RGB or RGBA.")


def _refuse_loss(kind: str | None, path: Path) -> None:
    """Refuse a file whose values are not those that were saved: of neighboring ids many are still ids afterwards."""
    if kind is not None:
        raise UnreadableError(f"{path} is a {kind}, whose values are not those that were saved. Export it as PNG.")


def _lossy_kind(picture: Image.Image, path: Path) -> str | None:
    if picture.format in ("JPEG", "MPO"):
        return "JPEG file"
    if picture.format == "WEBP":
        return "WebP file with loss" if b"VP8 " in _chunks(path.read_bytes()) else None
    return _JPEG_TIFF if is_tiff(path) and read_head(path).is_jpeg else None


def _chunks(content: bytes) -> set[bytes]:
    """Names of the chunks of a RIFF file: VP8 holds pixels with loss, VP8L without."""
    names, at = set(), 12
    while at + 8 <= len(content):
        names.add(content[at : at + 4])
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return names


def _as_stored(picture: Image.Image, path: Path) -> NDArray[np.uint8]:
    """Gray levels or indices; Pillow spreads the gray levels of TIFF files of 2 and 4 bits over those of 8."""
    values = np.array(picture)
    head = read_head(path) if picture.mode == "L" and is_tiff(path) else TiffHead()
    return values if head.bits not in (2, 4) else values // (255 // largest_value(values.dtype, head.bits))


def _clear(picture: Image.Image) -> NDArray[np.bool_] | None:
    """Where it is transparent: by a channel of its own, or by entries of a palette or one color that are so."""
    if "transparency" in picture.info:
        picture = picture.convert("RGBA")
    return np.array(picture.getchannel("A")) == 0 if "A" in picture.getbands() else None


def _checked(values: NDArray[np.integer], path: Path) -> NDArray[np.uint16]:
    """Whole numbers of any type as 16 bits."""
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableError(f"{path} holds values outside 0..65535, so it is no mask.")
    return values.astype(np.uint16)


def _raster_values(values: NDArray[Any], path: Path) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """The same of channels `(H, W, N)`."""
    count = values.shape[-1]
    if count == 1 and np.issubdtype(values.dtype, np.integer) and values.dtype not in (np.uint8, np.uint16):
        return _checked(values[..., 0], path), None
    if values.dtype not in (np.uint8, np.uint16) or not 1 <= count <= 4 or (values.dtype == np.uint16 and count > 1):
        raise UnreadableError(
            f"{path} has {count} channels of type {values.dtype}; a mask is gray, palette, RGB or RGBA."
        )
    clear = values[..., -1] == 0 if count in (2, 4) else None
    if count == 1:
        return values[..., 0], None
    return take_three(values, (0,) if count == 2 else (0, 1, 2), path), clear


def read_marks(path: Path, window: Window | None = None) -> NDArray[np.bool_]:
    """Where a file of one class marks its pixels, `(H, W)`: above 0, in any channel, and not transparent.

    Raises:
        UnreadableError: see `read_values`.
    """
    values, clear = read_values(path, window)
    # Of a palette what is seen decides, not the order that a program gave its colors.
    if values.dtype == np.uint8 and values.ndim == 2 and _has_palette(path):
        values = read_colors(path, window)
    marked = np.asarray(values.any(axis=-1) if values.ndim == 3 else values > 0)
    return marked if clear is None else marked & ~clear


def stored_palette(path: Path) -> Sequence[tuple[int, int, int]]:
    """The colors of a palette, without decoding the pixels; empty for a file that has none, and for TIFF files."""
    if is_tiff(path):  # of any size, and written by programs whose ids are ids
        return []
    with opened(path) as picture:
        levels = picture.getpalette("RGB") or [] if picture.mode == "P" else []
    return list(zip(levels[::3], levels[1::3], levels[2::3], strict=True))


def _has_palette(path: Path) -> bool:
    with opened(path) as picture:
        return picture.mode == "P"


def read_colors(path: Path, window: Window | None = None) -> NDArray[np.uint8]:
    """A mask of colors, or a part of it, palettes resolved, as `(H, W, 3)`.

    Raises:
        UnreadableError: it cannot be read, or has 16 bits.
    """
    if window is not None and is_tiff(path) and has_rasterio():
        values, _ = _raster_values(read_raster(path, window), path)
        if values.dtype != np.uint8:
            raise UnreadableError(_DEEP.format(path))
        palette = read_palette(path) if values.ndim == 2 else None
        return (
            values
            if values.ndim == 3
            else take_three(values[..., None], (0,), path)
            if palette is None
            else palette[values]
        )
    return np.asarray(part_of(_whole_colors, path, window), np.uint8)


def _whole_colors(path: Path) -> NDArray[np.uint8]:
    with opened(path) as picture:
        if picture.mode in DEEP_MODES:  # Pillow cuts off what is above 255
            raise UnreadableError(_DEEP.format(path))
        return as_rgb(picture)
