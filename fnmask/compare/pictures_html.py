"""The section of the page that shows images: a slider between two views of one, and rows of all of them for print."""

import json
import math
from collections.abc import Sequence
from html import escape

from fnmask.compare.pictures import Seen, Shown, data_url, hatching_png, mask_png, photo_jpeg
from fnmask.compare.runs import Sweep
from fnmask.compare.wording import percent

TITLE = "Where the variants differ most"

_NOTE = (
    "The images of which the variants call the most pixels otherwise than the plain network does, among those that "
    "are kept. Move the slider, or press the arrow keys on it: the left view ends where the right one begins. Stripes "
    "mark the pixels whose error the variant's loss lets off, wholly or in part."
)


def pictures_html(sweep: Sweep, shown: Sequence[Shown]) -> str:
    """The section; empty where there is no image."""
    if not shown:
        return ""
    colors = sweep.classes.colors
    content = {
        "images": [
            {
                "id": one.id,
                "image": data_url(photo_jpeg(one.jpeg), "jpeg"),
                "label": data_url(mask_png(one.labels, colors), "png"),
                "variants": [
                    {
                        "name": seen.variant,
                        "prediction": data_url(mask_png(seen.class_ids, colors), "png"),
                        "letOff": data_url(hatching_png(seen.let_off), "png") if seen.let_off.any() else "",
                        "told": _told(seen),
                    }
                    for seen in one.seen
                ],
            }
            for one in shown
        ]
    }
    packed = json.dumps(content).replace("<", "\\u003c")
    legend = "".join(
        f'<li><span class="swatch" style="background:rgb{color}"></span>{escape(name)}</li>'
        for name, color in zip(sweep.class_names, colors, strict=True)
    )
    return f"""<section class="pictures"><h2>{escape(TITLE)}</h2><p class="soft">{escape(_NOTE)}</p>
<div class="controls" role="group" aria-label="Pictures">
<label>Image <select id="picture-image"></select></label>
<label>Variant <select id="picture-variant"></select></label>
<label>Left <select id="picture-left"></select></label>
<label>Right <select id="picture-right"></select></label>
<label><input id="picture-marked" type="checkbox" checked> let off</label>
</div>
<figure class="slider"><div class="stage" id="picture-stage"></div>
<input id="picture-place" type="range" min="0" max="100" value="50" aria-label="Where the left view ends, in percent">
<figcaption><span id="picture-told" role="status"></span></figcaption></figure>
<ul class="legend" aria-label="Classes">{legend}</ul>
<div class="strips" id="picture-strips"></div>
<script type="application/json" id="pictures">{packed}</script></section>"""


def _told(seen: Seen) -> str:
    """The numbers of a variant in one image."""
    text = f"{percent(100 * seen.correct)} % of the pixels right"
    if not math.isnan(seen.target_recall):
        text += f", {percent(100 * seen.target_recall)} % of the target found"
    return text
