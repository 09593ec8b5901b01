"""The page's pictures as PNG and SVG files, drawn by plotly's own exporter in a browser that is not seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import plotly.graph_objects as go

Kind = Literal["png", "svg"]
KINDS: tuple[Kind, ...] = ("png", "svg")

_WIDTH_PX, _SCALE = 1100, 2
_INK, _LINE = "#1c2128", "#d8dde3"


class NoImagesError(RuntimeError):
    """What draws the pictures is missing; everything else has been written."""


def write_images(figures: Mapping[str, go.Figure], folder: Path, kinds: Sequence[str]) -> list[Path]:
    """Write every picture, dark on white.

    Args:
        figures: by name of the file.
        folder: made when missing.
        kinds: of files.

    Raises:
        NoImagesError: kaleido, or a browser for it, is not installed.
    """
    try:
        import kaleido  # noqa: F401
        import plotly.io
    except ImportError as error:
        raise NoImagesError(f"Pictures as files need kaleido ({error}): pip install 'fnmask[images]'.") from None
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {name: on_white(figure) for name, figure in figures.items()}
    pairs = [(figure, folder / f"{name}.{kind}") for name, figure in drawn.items() for kind in kinds]
    try:
        plotly.io.write_images(
            [figure for figure, _ in pairs],
            [path for _, path in pairs],
            scale=_SCALE,
            width=_WIDTH_PX,
            height=[figure.layout.height for figure, _ in pairs],
        )
    # Whatever a browser meets: what was computed is written all the same.
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0][:200]
        raise NoImagesError(
            f"The pictures could not be drawn ({type(error).__name__}: {first_line}). "
            "kaleido needs Chromium or Chrome: install one, or run plotly_get_chrome."
        ) from error
    return [path for _, path in pairs]


def on_white(figure: go.Figure) -> go.Figure:
    """A copy for paper."""
    copy = go.Figure(figure)
    copy.update_layout(template="none", paper_bgcolor="white", plot_bgcolor="white", font={"color": _INK})
    copy.update_xaxes(gridcolor=_LINE, linecolor=_LINE, automargin=True)
    copy.update_yaxes(gridcolor=_LINE, linecolor=_LINE, automargin=True)
    return copy
