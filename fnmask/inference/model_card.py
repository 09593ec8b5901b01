"""What somebody who has an exported network alone must know of it."""

import json
from collections.abc import Sequence
from typing import Any

from fnmask.inference.trained import Trained


def model_card(trained: Trained, image_size: Sequence[int]) -> dict[str, Any]:
    """Input, output, classes, decision rule and origin, as plain values.

    Args:
        trained: the network.
        image_size: height and width in px that it was exported for.
    """
    classes = trained.classes
    return {
        "input": {"name": "images", "dtype": "float32", "shape": [None, *image_size, 3], "range": [0, 255],
                  "channels": "RGB"},
        "output": {"dtype": "float32", "shape": [None, *image_size, len(classes.names)],
                   "meaning": "logits; the class of a pixel is the argmax over the last axis"},
        "classes": list(classes.names),
        "class_colors": [list(color) for color in classes.colors],
        "ignore_class": classes.ignore_class,
        "mask_encoding": classes.mask_encoding,
        "decision": str(trained.decision) or "argmax",
        # Already part of the network: told, not to be added again.
        "logit_offsets": list(trained.decision.logit_offsets) if trained.decision.thresholds else [],
        "run_id": trained.run.run_id,
        "variant": trained.run.tag("variant"),
        "commit": trained.run.tag("commit"),
    }  # fmt: skip


def card_text(card: dict[str, Any]) -> str:
    """As JSON, a line for each entry."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in card.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
