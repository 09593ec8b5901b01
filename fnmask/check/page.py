"""A report as one HTML page that needs no network and no script."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template

from fnmask.check.contact_sheet import VOID_COLOR, Cell
from fnmask.check.finding import SEVERITIES, Finding, count_text
from fnmask.check.report import CheckReport

_MOST_PLACES = 200

_MEANING = {
    "error": "A training on this set is refused.",
    "warning": "Kept with every run that trains on this set.",
    "hint": "What to look at; it may well be right.",
}
_SHEET_NOTE = (
    "Left the image, right its labels over it in gray. Those that findings name come first; the others are spread over "
    "their split."
)
_SHARES_NOTE = (
    "Share of the labeled pixels in %, and in how many images the class is; void is a share of all pixels. Whole files "
    "are counted, before any resizing."
)


def build_page(report: CheckReport, cells: Sequence[Cell] = ()) -> str:
    """The page.

    Args:
        report: of the check.
        cells: of the contact sheet.

    Returns:
        HTML, of some 20 kB and 15 kB for each picture.
    """
    sections = [_counts(report), *(_findings(report, severity) for severity in SEVERITIES)]
    if report.splits:
        sections.append(_shares(report))
    if cells:
        sections.append(_sheet(report, cells))
    images = ", ".join(f"{own.images} {split}" for split, own in report.splits.items())
    parts = [f"images: {images}" if images else "", f"digest {report.digest[:12]}" if report.digest else ""]
    return fill_page(f"Data check: {report.name}", " · ".join(part for part in parts if part), sections)


def fill_page(title: str, subtitle: str, sections: Iterable[str]) -> str:
    """A page of this look.

    Args:
        title: plain text.
        subtitle: plain text.
        sections: HTML.
    """
    return Template(_read("page.html")).substitute(
        title=escape(title), subtitle=escape(subtitle), css=_read("page.css"), sections="\n".join(sections)
    )


def legend(report_names: Sequence[str], colors: Sequence[tuple[int, int, int]]) -> str:
    """Classes and void with their colors, as a list."""
    entries = [*zip(report_names, colors, strict=True), ("void", VOID_COLOR)]
    items = "".join(f"<li>{swatch(color)}{escape(name)}</li>" for name, color in entries)
    return f'<ul class="legend">{items}</ul>'


def swatch(color: tuple[int, int, int]) -> str:
    """A small field of the color."""
    return f'<span class="swatch" style="background: rgb{color}"></span>'


def _read(name: str) -> str:
    return files("fnmask.check").joinpath(name).read_text(encoding="utf-8")


def _counts(report: CheckReport) -> str:
    items = "".join(
        f'<li class="{severity}"><b>{len(report.of(severity))}</b>'
        f"{count_text(len(report.of(severity)), severity).partition(' ')[2]}</li>"
        for severity in SEVERITIES
    )
    return f'<ul class="counts" aria-label="Findings">{items}</ul>'


def _findings(report: CheckReport, severity: str) -> str:
    found = [finding for finding in report.findings if finding.severity == severity]
    if not found:
        return ""
    body = "".join(_finding(finding) for finding in found)
    return f'<section><h2>{severity.capitalize()}s</h2><p class="soft">{_MEANING[severity]}</p>{body}</section>'


def _finding(finding: Finding) -> str:
    places = [str(place) for place in finding.where if place.id]
    where = ""
    if places:
        items = "".join(f"<li>{escape(place)}</li>" for place in places[:_MOST_PLACES])
        more = f"<li>and {len(places) - _MOST_PLACES} more, in the JSON file</li>" if len(places) > _MOST_PLACES else ""
        is_open = " open" if len(places) <= 6 else ""
        where = f"<details{is_open}><summary>where ({len(places)})</summary><ul>{items}{more}</ul></details>"
    kind = escape(finding.kind.replace("_", " "))
    return (
        f'<article class="{finding.severity}"><h3>{finding.severity}: {kind}</h3>'
        f"<p>{escape(finding.message)}</p>{where}</article>"
    )


def _shares(report: CheckReport) -> str:
    heads = "".join(
        f'<th scope="col">{split}</th><th scope="col"><span class="soft">images</span></th>' for split in report.splits
    )
    rows = []
    for label, (name, color) in enumerate(zip(report.class_names, report.class_colors, strict=True)):
        cells = ""
        for own in report.splits.values():
            share = 100 * own.class_share(label)
            missing = "" if own.class_pixels[label] else " none"
            cells += f'<td class="share{missing}" style="--share: {share:.2f}%">{share:.2f}</td>'
            cells += f"<td>{own.images_with[label]}</td>"
        rows.append(f'<tr><th scope="row">{swatch(color)}{escape(name)}</th>{cells}</tr>')
    void = "".join(
        f'<td class="share" style="--share: {100 * own.void_share:.2f}%">{100 * own.void_share:.2f}</td><td></td>'
        for own in report.splits.values()
    )
    rows.append(f'<tr><th scope="row">{swatch(VOID_COLOR)}void, of all</th>{void}</tr>')
    readable = "".join(f"<td>{own.readable} of {own.images}</td><td></td>" for own in report.splits.values())
    rows.append(f'<tr><th scope="row">images read</th>{readable}</tr>')
    sizes = "".join(f"<td>{_sizes(own.smallest, own.largest)}</td><td></td>" for own in report.splits.values())
    rows.append(f'<tr><th scope="row">height x width, px</th>{sizes}</tr>')
    title = "Classes by split"
    return (
        f'<section><h2>{title}</h2><p class="soft">{_SHARES_NOTE}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>'
        f'<th scope="col">class</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div></section>'
    )


def _sizes(smallest: tuple[int, int], largest: tuple[int, int]) -> str:
    first, last = (f"{height} x {width}" for height, width in (smallest, largest))
    return first if first == last else f"{first} to {last}"


def _sheet(report: CheckReport, cells: Sequence[Cell]) -> str:
    figures = "".join(
        f'<figure><img src="{cell.picture}" alt="{escape(cell.name)}: image and labels">'
        f"<figcaption>{escape(cell.name)}{_reasons(cell)}</figcaption></figure>"
        for cell in cells
    )
    return (
        f'<section><h2>Contact sheet</h2><p class="soft">{_SHEET_NOTE}</p>'
        f'{legend(report.class_names, report.class_colors)}<div class="sheet">{figures}</div></section>'
    )


def _reasons(cell: Cell) -> str:
    kinds = ", ".join(kind.replace("_", " ") for kind in cell.reasons)
    return f' <span class="soft">({escape(kinds)})</span>' if kinds else ""
