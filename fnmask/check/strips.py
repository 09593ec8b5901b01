"""Rows of pictures with words: as sections of a page, or as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw, ImageFont

from fnmask.check.contact_sheet import VOID_COLOR, as_url, fit

_GAP_PX, _LINE_PX, _INK = 10, 18, (25, 25, 25)


@dataclass(frozen=True, eq=False)
class Strip:
    """Pictures side by side.

    Attributes:
        caption: what they show.
        pictures: of one height.
    """

    caption: str
    pictures: tuple[Image.Image, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """Strips under one heading.

    Attributes:
        title: the heading.
        note: what a reader must know.
        strips: rows.
    """

    title: str
    note: str
    strips: tuple[Strip, ...] = ()


def part_html(part: Part, before: str = "") -> str:
    """A section of a page.

    Args:
        part: what it shows.
        before: HTML between the note and the pictures.
    """
    is_wide = " wide" if any(len(strip.pictures) > 2 for strip in part.strips) else ""
    figures = "".join(
        f'<figure><img src="{as_url(_joined(strip))}" alt="{escape(strip.caption)}">'
        f"<figcaption>{escape(strip.caption)}</figcaption></figure>"
        for strip in part.strips
    )
    return (
        f'<section><h2>{escape(part.title)}</h2><p class="soft">{escape(part.note)}</p>{before}'
        f'<div class="sheet{is_wide}">{figures}</div></section>'
    )


def draw_parts(parts: Sequence[Part], names: Sequence[str], colors: Sequence[tuple[int, int, int]]) -> Image.Image:
    """All parts below each other on white, with classes and void at the end."""
    font, bold = ImageFont.load_default(size=13), ImageFont.load_default(size=16)
    rows: list[tuple[Image.Image | None, str, bool]] = []
    for part in parts:
        rows.append((None, part.title, True))
        rows += [(_joined(strip), strip.caption, False) for strip in part.strips]
    width = max([640, *(picture.width for picture, _, _ in rows if picture is not None)]) + 2 * _GAP_PX
    heights = [(0 if picture is None else picture.height) + _LINE_PX + _GAP_PX for picture, _, _ in rows]
    canvas = Image.new("RGB", (width, sum(heights) + _LINE_PX * (len(names) + 2)), (255, 255, 255))
    pen, top = ImageDraw.Draw(canvas), _GAP_PX
    for (picture, text, is_title), height in zip(rows, heights, strict=True):
        if picture is not None:
            canvas.paste(picture, (_GAP_PX, top))
        pen.text((_GAP_PX, top + height - _LINE_PX - _GAP_PX + 1), text, _INK, font=bold if is_title else font)
        top += height
    for name, color in [*zip(names, colors, strict=True), ("void", VOID_COLOR)]:
        pen.rectangle((_GAP_PX, top + 2, _GAP_PX + 12, top + 14), color, (120, 120, 120))
        pen.text((_GAP_PX + 20, top), name, _INK, font=font)
        top += _LINE_PX
    return canvas


def _joined(strip: Strip) -> Image.Image:
    """The pictures of a strip, all as wide as one of a sheet."""
    small = [fit(picture) for picture in strip.pictures]
    height = max(picture.height for picture in small)
    canvas = Image.new("RGB", (sum(one.width + 4 for one in small) - 4, height), (255, 255, 255))
    left = 0
    for one in small:
        canvas.paste(one, (left, 0))
        left += one.width + 4
    return canvas
