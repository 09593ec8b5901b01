"""The pictures of a run: its confusion matrix, and what it makes of a few images."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

VOID_COLOR = (205, 205, 205)
IGNORED_COLOR = (255, 0, 200)

_INK = (25, 25, 25)
_FAINT_INK = (95, 95, 95)
_GAP_PX = 8
_TITLE_PX = 26
_LEGEND_ROW_PX = 24
_MIN_TILE_PX = 224
_MAX_TILE_PX = 360
_CELL_PX = 54
_PALE, _DEEP = np.array((247, 251, 255)), np.array((8, 48, 107))


def confusion_picture(matrix: NDArray[np.int64], class_names: Sequence[str]) -> bytes:
    """Draw a confusion matrix, each row in percent of the true class's pixels.

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
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    font, small = ImageFont.load_default(size=14), ImageFont.load_default(size=12)
    counts = [f"{total:,} px" for total in totals[:, 0].tolist()]
    slanted = [_slanted(name, font) for name in class_names]
    title = "Share of each true class (row), in percent of its pixels, by prediction (column)"
    left = _GAP_PX * 2 + round(max(*map(font.getlength, class_names), *map(small.getlength, counts)))
    # A slanted name ends below the middle of its column, and begins to the left of it.
    left = max(left, *(name.width - index * _CELL_PX - _CELL_PX // 2 + _GAP_PX for index, name in enumerate(slanted)))
    lines = _wrap(title, font, left + count * _CELL_PX - _GAP_PX)
    top = _GAP_PX + 20 * len(lines)
    bottom = top + count * _CELL_PX
    size = left + count * _CELL_PX + _GAP_PX, bottom + max(name.height for name in slanted) + _GAP_PX
    canvas = Image.new("RGB", size, (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    for index, line in enumerate(lines):
        pen.text((_GAP_PX, 5 + 20 * index), line, fill=_INK, font=font)
    for row, name in enumerate(class_names):
        y = top + row * _CELL_PX
        pen.text((left - _GAP_PX, y + 18), name, fill=_INK, font=font, anchor="rm")
        pen.text((left - _GAP_PX, y + 36), counts[row], fill=_FAINT_INK, font=small, anchor="rm")
        for column in range(count if totals[row] else 0):
            share, x = float(shares[row, column]), left + column * _CELL_PX
            color = tuple(np.round(_PALE + share * (_DEEP - _PALE)).astype(int).tolist())
            pen.rectangle((x, y, x + _CELL_PX - 2, y + _CELL_PX - 2), fill=color)
            if share >= 0.005:
                ink = (255, 255, 255) if share > 0.5 else _INK
                pen.text((x + _CELL_PX // 2, y + _CELL_PX // 2), f"{100 * share:.0f}", fill=ink, font=font, anchor="mm")
    for column, text in enumerate(slanted):
        middle = left + column * _CELL_PX + _CELL_PX // 2
        canvas.paste(_INK, (middle - text.width + 6, bottom + 2), text)
    return _png(canvas)


def overlay_picture(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    predictions: NDArray[np.integer],
    ignored: NDArray[np.bool_],
    *,
    class_names: Sequence[str],
    class_colors: Sequence[tuple[int, int, int]],
    ignore_class: int | None = None,
) -> bytes:
    """Draw a few images: one row each, with columns image, label, prediction, ignored pixels, and a legend below.

    Args:
        images: `(N, H, W, 3)` in [0, 255], any dtype; N at least 1.
        labels: `(N, H, W)` class ids or `ignore_class`.
        predictions: `(N, H, W)` class ids.
        ignored: `(N, H, W)` pixels whose false negatives the loss let off, wholly or in part.
        class_names: C names.
        class_colors: C colors, red, green, blue in [0, 255].
        ignore_class: label of void pixels, drawn grey.

    Returns:
        A PNG file.

    Raises:
        ValueError: the shapes differ, or there is no image.
    """
    shape = images.shape[:3]
    if images.ndim != 4 or shape[0] < 1 or not shape == labels.shape == predictions.shape == ignored.shape:
        raise ValueError(
            f"Got images {images.shape}, labels {labels.shape}, predictions {predictions.shape}, ignored "
            f"{ignored.shape}; needed (N, H, W, 3) and three times (N, H, W) with N at least 1."
        )
    pixels = np.clip(images, 0, 255).astype(np.uint8)
    colors = np.array([*class_colors, VOID_COLOR], dtype=np.uint8)
    void = np.zeros(shape, dtype=bool) if ignore_class is None else labels == ignore_class
    columns = {
        "image": pixels,
        "label": colors[np.where(void, len(class_colors), labels)],
        "prediction": colors[predictions],
        "ignored pixels": _mark(pixels, ignored),
    }
    legend = [*zip(class_names, class_colors, strict=True), ("ignored", IGNORED_COLOR)]
    if ignore_class is not None:
        legend.append(("void", VOID_COLOR))
    canvas = _draw(columns, legend, shares=ignored.mean(axis=(1, 2)).tolist())
    return _png(canvas)


def _png(canvas: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Ten times as fast as the smallest file, which is a seventh smaller: every trial waits for it.
    canvas.save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()


def _slanted(text: str, font: "_Font") -> Image.Image:
    """The text as a mask that rises to the right."""
    left, top, right, bottom = map(round, font.getbbox(text))
    level = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(level).text((2 - left, 2 - top), text, fill=255, font=font)
    return level.rotate(45, expand=True, resample=Image.Resampling.BICUBIC)


def _wrap(text: str, font: "_Font", width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _mark(pixels: NDArray[np.uint8], ignored: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The images in pale grey with the ignored pixels in a color that no class uses."""
    grey = (160 + 0.35 * pixels.mean(axis=-1)).clip(0, 255).astype(np.uint8)
    marked = np.repeat(grey[..., None], 3, axis=-1)
    marked[ignored] = IGNORED_COLOR
    return marked


def _draw(
    columns: dict[str, NDArray[np.uint8]],
    legend: Sequence[tuple[str, tuple[int, int, int]]],
    *,
    shares: Sequence[float],
) -> Image.Image:
    """Put the tiles, their titles and the legend on one canvas."""
    font = ImageFont.load_default(size=14)
    height, width = next(iter(columns.values())).shape[1:3]
    # Whole factors keep the pixels of small images square and sharp; large images are scaled down.
    scale = max(1, _MIN_TILE_PX // width) if width <= _MAX_TILE_PX else _MAX_TILE_PX / width
    tile_w, tile_h = round(width * scale), round(height * scale)
    canvas_w = _GAP_PX + len(columns) * (tile_w + _GAP_PX)
    rows = _legend_rows(legend, font, canvas_w)
    tiles_bottom = _TITLE_PX + len(shares) * (tile_h + _GAP_PX)
    canvas = Image.new("RGB", (canvas_w, tiles_bottom + len(rows) * _LEGEND_ROW_PX + _GAP_PX), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    for column, (title, tiles) in enumerate(columns.items()):
        left = _GAP_PX + column * (tile_w + _GAP_PX)
        pen.text((left, 5), title, fill=_INK, font=font)
        for row, tile in enumerate(tiles):
            picture = Image.fromarray(tile).resize((tile_w, tile_h), Image.Resampling.NEAREST)
            canvas.paste(picture, (left, _TITLE_PX + row * (tile_h + _GAP_PX)))
    left = _GAP_PX + (len(columns) - 1) * (tile_w + _GAP_PX)
    for row, share in enumerate(shares):
        place = (left + 4, _TITLE_PX + row * (tile_h + _GAP_PX) + tile_h - 20)
        pen.text(place, f"{100 * share:.1f} %", fill=_INK, font=font, stroke_width=2, stroke_fill=(255, 255, 255))
    _draw_legend(pen, rows, font, top=tiles_bottom)
    return canvas


_Entry = tuple[float, str, tuple[int, int, int]]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _legend_rows(legend: Sequence[tuple[str, tuple[int, int, int]]], font: _Font, canvas_w: int) -> list[list[_Entry]]:
    """The entries with their left edge, broken into rows that fit the canvas."""
    rows: list[list[_Entry]] = [[]]
    left: float = _GAP_PX
    for name, color in legend:
        width = 20 + font.getlength(name) + 14
        if left + width > canvas_w and rows[-1]:
            rows.append([])
            left = _GAP_PX
        rows[-1].append((left, name, color))
        left += width
    return rows


def _draw_legend(pen: ImageDraw.ImageDraw, rows: list[list[_Entry]], font: _Font, *, top: int) -> None:
    """A swatch and a name for every entry."""
    for index, row in enumerate(rows):
        y = top + index * _LEGEND_ROW_PX + 4
        for left, name, color in row:
            pen.rectangle((left, y + 2, left + 13, y + 15), fill=color, outline=(120, 120, 120))
            pen.text((left + 20, y), name, fill=_INK, font=font)
