"""Pictures of any kind as arrays, or one sentence that says what is wrong with the file.

Pillow reads what people's folders hold; rasterio, an extra, reads TIFF files with more than three channels, with more
than 8 bits in a channel, and windows of those that do not fit.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.data.rasters import (
    TIFF_SUFFIXES,
    TiffHead,
    UnreadableError,
    Window,
    has_other_colors,
    has_rasterio,
    ignored_warnings,
    largest_value,
    raster_size,
    read_head,
    read_palette,
    read_raster,
    too_large,
)

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Of what a camera notes (EXIF).
_ORIENTATION = 0x0112
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


def read_photo(
    path: Path,
    *,
    channels: Sequence[int] | None = None,
    value_range: tuple[float, float] | None = None,
    window: Window | None = None,
    upright: bool = True,
    may_be_deep: bool = True,
) -> NDArray[np.uint8]:
    """An image as RGB.

    Args:
        path: of the file. Gray becomes three equal channels, transparency is dropped, CMYK and palettes are converted,
            and the orientation that a camera noted (EXIF) is applied.
        channels: three channels of a file that has others than red, green and blue, counted from 0.
        value_range: the values that become 0 and 255; None for all that the type of the file holds.
        window: part of it; None for the whole.
        upright: False leaves the image as the camera held it.
        may_be_deep: False refuses more than 8 bits in a channel.

    Returns:
        uint8 `(H, W, 3)`.

    Raises:
        UnreadableError: it cannot be read so.
    """
    if channels is None and not is_tiff(path):
        values = part_of(_whole_photo, path, window, upright)
    elif not has_rasterio() or (channels is None and has_other_colors(path)):
        values = part_of(_channels_of, path, window)
    elif window is None or not is_tiff(path):
        values = part_of(_whole_raster, path, window, upright)
    else:
        values = _with_palette(read_raster(path, window), path)
    if values.dtype != np.uint8 and not may_be_deep:
        raise UnreadableError(f"{path} has more than 8 bits in a channel; save it with 8, as for training.")
    chosen = tuple(channels) if channels is not None else _usual_channels(values.shape[-1], path)
    return take_three(_scaled(values, value_range or _range_of_bits(values.dtype, path), path), chosen, path)


def _range_of_bits(dtype: np.dtype[Any], path: Path) -> tuple[float, float] | None:
    """0 and the largest value of a TIFF file with fewer bits than its type has, or None."""
    head = read_head(path) if is_tiff(path) else TiffHead()
    if not head.is_scale or not np.issubdtype(dtype, np.unsignedinteger):
        return None
    largest = largest_value(dtype, head.bits)
    return (0, largest) if largest < np.iinfo(dtype).max else None


def _whole_raster(path: Path, upright: bool) -> NDArray[Any]:
    """All channels `(H, W, N)`, palettes resolved, in the type of the file."""
    values = _with_palette(read_raster(path), path)
    return _turned(values, noted_turn(path) if upright else 1)


def _with_palette(values: NDArray[Any], path: Path) -> NDArray[Any]:
    palette = read_palette(path) if values.shape[-1] == 1 else None
    return values if palette is None else palette[values[..., 0]]


def noted_turn(path: Path) -> int:
    """The orientation that a camera noted, 1 for upright to 8, as EXIF has it; from 5 on height and width change.

    Of a PNG file only what stands before its pixels is read.

    Raises:
        UnreadableError: see `opened`.
    """
    if is_tiff(path):
        return read_head(path).orientation
    with opened(path) as picture:
        if picture.format == "PNG" and "exif" not in picture.info:  # Pillow would decode it to look behind them
            return 1
        noted = picture.getexif().get(_ORIENTATION, 1)
        return noted if noted in range(1, 9) else 1


# From how a camera held an image to upright, of `(H, W, N)`.
_TURNS: Mapping[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda values: values[:, ::-1],
    3: lambda values: values[::-1, ::-1],
    4: lambda values: values[::-1],
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: np.rot90(values, -1),
    7: lambda values: values[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


def _turned(values: NDArray[Any], noted: int) -> NDArray[Any]:
    turn = _TURNS.get(noted)
    return values if turn is None else np.ascontiguousarray(turn(values))


def _whole_photo(path: Path, upright: bool) -> NDArray[Any]:
    """One channel or three, `(H, W, N)`, in the type of the file."""
    values: NDArray[Any]
    with opened(path) as picture:
        if has_deep_colors(picture):
            values = _deep_colors(path)
        elif picture.mode in DEEP_MODES:
            values = np.array(picture)[..., None]
            if values.dtype == np.int32:  # how Pillow holds 16 bits of some files
                values = values.clip(0, 65535).astype(np.uint16)
        else:
            values = as_rgb(picture)
        # Last, since Pillow decodes some kinds to look.
        return _turned(values, picture.getexif().get(_ORIENTATION, 1) if upright else 1)


def _deep_colors(path: Path) -> NDArray[np.uint16]:
    """Red, green and blue of 16 bits `(H, W, 3)`."""
    import cv2

    values = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3 or values.shape[-1] < 3:
        raise UnreadableError(f"{path} cannot be read as a picture of 16 bits. Is the download complete?")
    return np.ascontiguousarray(values[..., 2::-1])


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width in px, upright, without decoding the pixels."""
    if is_tiff(path) and has_rasterio():
        return raster_size(path)
    with opened(path) as picture:
        width, height = picture.size
        # Pillow turns TIFF files by itself.
        turned = not is_tiff(path) and picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return (width, height) if turned else (height, width)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture, opened by Pillow; whatever it meets in the file becomes one sentence.

    Raises:
        UnreadableError: missing, no picture, cut off, forbidden, or of more pixels than Pillow takes for harmless.
    """
    try:
        with ignored_warnings():  # of large pictures; Pillow refuses those twice as large by itself
            picture = Image.open(path)
        with picture:
            yield picture
    except UnreadableError:
        raise
    except FileNotFoundError:
        raise UnreadableError(f"{path} is not there any more.") from None
    except PermissionError:
        raise UnreadableError(f"{path} may not be read: mend its permissions.") from None
    except Image.DecompressionBombError:
        raise UnreadableError(too_large(path)) from None
    except Exception as error:
        size = path.stat().st_size if path.exists() else 0
        why = "is empty" if not size else f"cannot be read as a picture ({type(error).__name__}: {error})"
        raise UnreadableError(f"{path} {why}. Is the download complete?") from error


def _scaled(values: NDArray[Any], value_range: tuple[float, float] | None, path: Path) -> NDArray[np.uint8]:
    """Values as bytes; a range that is not given is that of the type."""
    if values.dtype == np.uint8 and value_range is None:
        return values
    if value_range is None and not np.issubdtype(values.dtype, np.unsignedinteger):
        raise UnreadableError(
            f"{path} has pixels of type {values.dtype}, which have no range of their own; give value_range=[low,high]."
        )
    low, high = value_range or (0.0, float(np.iinfo(values.dtype).max))
    scaled = (values.astype(np.float32) - low) * (255 / (high - low))
    return np.asarray(np.clip(np.rint(np.nan_to_num(scaled)), 0, 255), np.uint8)


def take_three(values: NDArray[np.uint8], channels: Sequence[int], path: Path) -> NDArray[np.uint8]:
    """Three channels of `(H, W, N)`; a single one three times."""
    count = values.shape[-1]
    if any(not 0 <= channel < count for channel in channels):
        raise UnreadableError(f"{path} has the channels 0..{count - 1}; channels={list(channels)} asks for others.")
    if count == 3 and tuple(channels) == (0, 1, 2):
        return values
    return np.ascontiguousarray(values[..., list(channels) * (3 if len(channels) == 1 else 1)])


def _usual_channels(count: int, path: Path) -> tuple[int, ...]:
    if count in (1, 3):
        return tuple(range(count))
    if count in (2, 4):  # gray or RGB, and transparency
        return tuple(range(count - 1))
    raise UnreadableError(f"{path} has {count} channels; say which are red, green and blue: channels=[3,2,1].")


def has_deep_colors(picture: Image.Image) -> bool:
    """Whether the file holds 16 bits in each of several channels, of which Pillow keeps the upper 8."""
    # Not `BGR;16`, which is 16 bits for all of them.
    kinds = [str(tile.args) for tile in getattr(picture, "tile", ())]
    return len(picture.getbands()) > 1 and any(re.search(r";16[BLN]", kind) for kind in kinds)


def as_rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """Red, green and blue `(H, W, 3)`; transparency is dropped."""
    if picture.mode == "P" and "transparency" in picture.info:
        picture = picture.convert("RGBA")  # Pillow warns of the direct way
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def is_tiff(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in TIFF_SUFFIXES


def _channels_of(path: Path) -> NDArray[np.uint8]:
    """Red, green and blue of a file of few channels of 8 bits, `(H, W, 3)`."""
    with opened(path) as picture:
        if picture.mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LAB") and not has_deep_colors(picture):
            return as_rgb(picture)
    raise UnreadableError(f"{path} needs rasterio: pip install 'fnmask[geo]'.")


def part_of(read: Callable[..., Any], path: Path, window: Window | None, *how: Any) -> Any:
    """What a function reads of a whole file, or a part of that; the next parts of the file do not read it again."""
    if window is None:
        return read(path, *how)
    changed_ns = path.stat().st_mtime_ns if path.exists() else 0
    whole = _remembered(read, path, changed_ns, *how)
    rows, columns = slice(window.row, window.row + window.height), slice(window.column, window.column + window.width)
    if isinstance(whole, tuple):
        return tuple(part if part is None else part[rows, columns].copy() for part in whole)
    return whole[rows, columns].copy()


@functools.lru_cache(maxsize=2)  # an image and its mask
def _remembered(read: Callable[..., Any], path: Path, changed_ns: int, *how: Any) -> Any:
    return read(path, *how)
