"""TIFF files by rasterio, an extra: any number of channels, and windows of files that do not fit into memory."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

TIFF_SUFFIXES = (".tif", ".tiff")

# Tags of a TIFF file, and meanings of two of them.
_BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 258, 259, 262, 274
_JPEG = (6, 7)
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _INKS, _LAB = 0, 1, 2, 5, (8, 9, 10)

_FILTERS = Lock()


class UnreadableError(ValueError):
    """A file is no picture, is cut off, or is of a kind that is not taken."""


def most_pixels() -> int:
    """Of a picture that is read whole: where Pillow suspects a bomb."""
    return 2 * (Image.MAX_IMAGE_PIXELS or 2**62)


def too_large(path: Path) -> str:
    """What to tell of a picture of more than `most_pixels()`."""
    return (
        f"{path} has more than {most_pixels() / 1e6:.0f} megapixels, which are not read at once: give "
        "dataset.tile_size=[512,512] and a TIFF file, or cut it into parts."
    )


@dataclass(frozen=True)
class Window:
    """A part of a picture: first row and column, height and width in px."""

    row: int
    column: int
    height: int
    width: int


class TiffHead(NamedTuple):
    """What rasterio does not apply.

    Attributes:
        orientation: 1 for upright, else as EXIF has it.
        photometric: what the values mean, None where it is not told.
        bits: of each channel, None where it is not told or they differ.
        compression: of the pixels, None where it is not told.
    """

    orientation: int = 1
    photometric: int | None = None
    bits: int | None = None
    compression: int | None = None

    @property
    def is_inverted(self) -> bool:
        """Whether 0 is white."""
        return self.photometric == _WHITE_IS_ZERO

    @property
    def is_jpeg(self) -> bool:
        """Whether values are not quite those that were saved."""
        return self.compression in _JPEG

    @property
    def is_scale(self) -> bool:
        """Whether values are gray levels or those of red, green and blue; not indices of a palette, for one."""
        return self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)


def read_head(path: Path) -> TiffHead:
    """Of a TIFF file; that of an ordinary one for any other."""
    try:
        with path.open("rb") as file, ignored_warnings():
            start = file.read(8)
            tags = ImageFileDirectory_v2(start + (file.read(8) if start[2:3] == b"+" else b""))
            file.seek(tags.next)
            tags.load(file)
            orientation, photometric, bits, compression = (
                tags.get(tag) for tag in (_ORIENTATION, _PHOTOMETRIC, _BITS, _COMPRESSION)
            )
    except Exception:  # damaged, in ways that Pillow has many exceptions for: rasterio says what it is
        return TiffHead()
    several = set(bits) if isinstance(bits, tuple) else {bits}
    own = several.pop() if len(several) == 1 else None
    noted = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    return TiffHead(noted, photometric, own if isinstance(own, int) else None, compression)


def has_rasterio() -> bool:
    """Whether the extra is installed."""
    return find_spec("rasterio") is not None


def read_raster(path: Path, window: Window | None = None) -> NDArray[Any]:
    """All channels `(H, W, N)` of a file or of a window of it, in the type of the file; palettes as indices.

    As the file holds it: an orientation is not applied. Where white is 0, values are turned round, as Pillow does.

    Raises:
        UnreadableError: missing, or cut off; or a window of a file that has an orientation.
    """
    from rasterio.windows import Window as RasterWindow

    head = read_head(path)
    if window is not None and head.orientation != 1:
        raise UnreadableError(f"{path} is stored turned; save it upright, to be cut into tiles.")
    with _opened(path) as raster:
        if window is None and raster.height * raster.width > most_pixels():
            raise UnreadableError(too_large(path))
        part = window and RasterWindow(window.column, window.row, window.width, window.height)
        values: NDArray[Any] = np.moveaxis(raster.read(window=part), 0, -1)
    if head.is_inverted and np.issubdtype(values.dtype, np.unsignedinteger):
        values = (largest_value(values.dtype, head.bits) - values).astype(values.dtype)
    return values


def largest_value(dtype: np.dtype[Any], bits: int | None) -> int:
    """That an unsigned integer of so many bits can have; of all that the type has where nobody tells."""
    whole = np.iinfo(dtype).bits
    return int(2 ** (bits if bits is not None and 0 < bits < whole else whole) - 1)


def raster_size(path: Path) -> tuple[int, int]:
    """Height and width in px, upright, from the head of the file."""
    with _opened(path) as raster:
        size: tuple[int, int] = raster.shape
    return size[::-1] if read_head(path).orientation >= 5 else size


def has_other_colors(path: Path) -> bool:
    """Whether channels are inks, or lightness and two contrasts, not red, green, blue and transparency."""
    return read_head(path).photometric in (_INKS, *_LAB)


def read_palette(path: Path) -> NDArray[np.uint8] | None:
    """Red, green and blue of every index, `(256, 3)`; None for a file without a palette."""
    if read_head(path).is_inverted:  # rasterio makes one that turns values round
        return None
    with _opened(path) as raster:
        try:
            known = raster.colormap(1)
        except ValueError:
            return None
        palette = np.zeros((256, 3), np.uint8)
        for index, color in known.items():
            if index < len(palette):
                palette[index] = color[:3]
        return palette


@contextmanager
def ignored_warnings() -> Iterator[None]:
    """What is warned of while a file is opened; filters belong to the process, so one thread at a time."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import rasterio

    try:
        with ignored_warnings():  # of files without a place on earth
            raster = rasterio.open(path)
        with raster:
            yield raster
    except rasterio.errors.RasterioError as error:
        if not path.exists():
            raise UnreadableError(f"{path} is not there any more.") from None
        raise UnreadableError(f"{path} cannot be read as a picture ({error}). Is the download complete?") from error
