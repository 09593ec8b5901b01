"""The confusion matrix of a run, as a picture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fnmask.tracking.pictures import GAP_PX, INK, to_png

_FAINT_INK = (95, 95, 95)
_PALE, _DEEP = np.array((247, 251, 255)), np.array((8, 48, 107))

# Cells with numbers, and those of many classes, which have none.
_CELL_PX, _SMALL_CELL_PX, _MOST_NUMBERS = 54, 14, 40

_TITLE = "Share of each true class (row), in percent of its pixels, by prediction (column)"
_LINE_PX = 20


def confusion_picture(matrix: NDArray[np.int64], class_names: Sequence[str]) -> bytes:
    """Draw a confusion matrix, each row in percent of the true class's pixels; in colors alone beyond 40 classes.

    Args:
        matrix: `(C, C)` int64 pixel counts, indexed `[true, predicted]`.
        class_names: C names.

    Returns:
        A PNG file. Rows of a class without pixels are left blank.

    Raises:
        ValueError: the matrix is not C x C.
    """
    count = len(class_names)
    if matrix.shape != (count, count):
        raise ValueError(f"Got a matrix of shape {matrix.shape} for {count} class names; it must be {count} x {count}.")
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0)
    has_numbers = count <= _MOST_NUMBERS
    cell = _CELL_PX if has_numbers else _SMALL_CELL_PX
    font, small = (ImageFont.load_default(size=size) for size in ((14, 12) if has_numbers else (11, 11)))
    slanted = [_slanted(name, font) for name in class_names]
    counts = [f"{total:,} px" for total in totals[:, 0].tolist()]
    if not has_numbers:  # one line for each
        counts = [f"{name}, {number}" for name, number in zip(class_names, counts, strict=True)]
    left = GAP_PX * 2 + round(max(*map(font.getlength, class_names), *map(small.getlength, counts)))
    # A slanted name ends below the middle of its column, and begins to the left of it.
    left = max(left, *(name.width - index * cell - cell // 2 + GAP_PX for index, name in enumerate(slanted)))
    lines = _wrap(_TITLE, font, left + count * cell - GAP_PX)
    top = GAP_PX + _LINE_PX * len(lines)
    bottom = top + count * cell
    size = left + count * cell + GAP_PX, bottom + max(name.height for name in slanted) + GAP_PX
    canvas = Image.new("RGB", size, (255, 255, 255))
    canvas.paste(_draw_cells(shares, cell), (left, top))
    pen = ImageDraw.Draw(canvas)
    for index, line in enumerate(lines):
        pen.text((GAP_PX, 5 + _LINE_PX * index), line, fill=INK, font=font)
    for row, name in enumerate(class_names):
        y = top + row * cell + cell // 2
        if has_numbers:
            pen.text((left - GAP_PX, y - 9), name, fill=INK, font=font, anchor="rm")
        pen.text((left - GAP_PX, y + 9 * has_numbers), counts[row], fill=_FAINT_INK, font=small, anchor="rm")
    for row, column in np.argwhere(shares >= 0.005) if has_numbers else ():
        ink = (255, 255, 255) if shares[row, column] > 0.5 else INK
        place = left + column * cell + cell // 2, top + row * cell + cell // 2
        pen.text(place, f"{100 * shares[row, column]:.0f}", fill=ink, font=font, anchor="mm")
    for column, text in enumerate(slanted):
        canvas.paste(INK, (left + column * cell + cell // 2 - text.width + 6, bottom + 2), text)
    return to_png(canvas)


def _draw_cells(shares: NDArray[np.float64], cell: int) -> Image.Image:
    """Squares from pale to deep, white where there is no share, with a white line after each."""
    colors = _PALE + np.nan_to_num(shares)[..., None] * (_DEEP - _PALE)
    colors = np.where(np.isnan(shares)[..., None], 255, colors.round()).astype(np.uint8)
    pixels = colors.repeat(cell, axis=0).repeat(cell, axis=1)
    pixels[cell - 1 :: cell] = pixels[:, cell - 1 :: cell] = 255
    return Image.fromarray(pixels)


def _slanted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """The text as a mask that rises to the right."""
    left, top, right, bottom = map(round, font.getbbox(text))
    level = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(level).text((2 - left, 2 - top), text, fill=255, font=font)
    return level.rotate(45, expand=True, resample=Image.Resampling.BICUBIC)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
