"""`fnmask data show`: a data set as a training sees it, on a page or in a picture."""

import argparse
import sys
from pathlib import Path
from typing import Any

_REFUSED = 2


def add_parser(commands: Any) -> None:
    """Add the parser of the command."""
    show = commands.add_parser(
        "show",
        help="labels, classes, what augmentation does, and what a loss would let off",
        description="Show some images of a data set: labels over them, class colors, draws of the training stream, and "
        "which errors a loss variant would let off. Exit codes: 0 done, 2 refused.",
    )
    show.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="as of train.py: dataset=camvid dataset.root=PATH loss=ignore_fn",
    )
    show.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="page.html or picture.png")
    show.add_argument("--images", type=int, default=3, metavar="N", help="images of each part (default: %(default)s)")
    show.add_argument("--draws", type=int, default=4, metavar="N", help="draws of each image (default: %(default)s)")
    show.set_defaults(command=_show)


def _show(arguments: argparse.Namespace) -> int:
    # Imported here: --help should not wait for Hydra and NumPy.
    from fnmask.binding import ConfigError

    try:
        parts, source, name = _parts(arguments)
    except (ConfigError, ValueError, OSError) as error:
        print(f"Nothing was shown.\n{error}", file=sys.stderr)
        return _REFUSED
    try:
        _write(arguments.output, parts, source, name)
    except OSError as error:
        print(f"What is to be shown cannot be written: {error}. Give another file with -o.", file=sys.stderr)
        return _REFUSED
    print(f"{arguments.output}")
    return 0


def _parts(arguments: argparse.Namespace) -> tuple[list[Any], Any, str]:
    from fnmask.binding import ConfigError
    from fnmask.check.showing import TrainView, load_shown, show_augmentation, show_labels, show_let_off
    from fnmask.config import check, read_source
    from fnmask.data.augment import Augmentation
    from fnmask.train import compose_words

    if arguments.output.suffix.lower() not in (".html", ".png"):
        raise ConfigError([f"-o: got {arguments.output}. The name must end in .html or .png."])
    if arguments.images < 1 or arguments.draws < 1:
        raise ConfigError([f"--images, --draws: got {arguments.images} and {arguments.draws}. Give 1 or more."])
    words = list(arguments.overrides)
    # The loss that `conf/` has by default is for a class that this set may lack; nobody has asked for it.
    asks_loss = any(word.partition("=")[0].split(".")[0] == "loss" for word in words)
    cfg, choices = compose_words(words if asks_loss else [*words, "loss=plain"])
    if not asks_loss:
        cfg.loss.target = read_source(cfg).class_names[0]
    config = check(cfg, choices)
    dataset, source = config.dataset, config.source
    view = TrainView(
        image_size=dataset.image_size,
        crop_size=dataset.crop_size,
        flips=dataset.flips,
        seed=config.seed,
        label_noise=config.label_noise,
        crops=config.augmentation.crops,
        augmentation=Augmentation(**config.augmentation.model_dump(exclude={"crops"})),
    )
    parts = [show_labels(source, arguments.images)]
    arrays = load_shown(source, view, arguments.images)
    parts.append(show_augmentation(source, arrays, view, arguments.draws))
    if asks_loss and not config.loss.is_unmasked:
        name = f"loss={choices['loss']} {', '.join(config.target_names)}"
        parts.append(show_let_off(source, arrays, config.loss.error_weights, config.loss.targets, name))
    elif asks_loss:
        print(f"loss={choices['loss']} lets nothing off, so that is not shown.")
    return parts, source, choices["dataset"]


def _write(output: Path, parts: list[Any], source: Any, name: str) -> None:
    from fnmask.check.page import fill_page, legend
    from fnmask.check.strips import draw_parts, part_html

    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix.lower() == ".png":
        draw_parts(parts, source.class_names, source.class_colors).save(output)
        return
    classes = legend(source.class_names, source.class_colors)
    images = ", ".join(f"{len(source.ids(split))} {split}" for split in ("train", "val", "test"))
    sections = [part_html(part, classes if index == 0 else "") for index, part in enumerate(parts)]
    output.write_text(fill_page(f"Data set: {name}", f"images: {images}", sections), encoding="utf-8")
