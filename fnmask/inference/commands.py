"""`fnmask predict` and `fnmask export`: their words, and what they print. Loads nothing heavy until it must."""

import argparse
import logging
import math
import os
import sys
from pathlib import Path
from typing import Any

from fnmask.project import DATABASE_NAME, find_root

_REFUSED, _SOME_SKIPPED = 2, 3

_ENDINGS = {"keras": ".keras", "savedmodel": "", "onnx": ".onnx", "tflite": ".tflite"}
_FORMATS = (*_ENDINGS, "mlflow")
_DECISION = "thresholds instead of argmax, such as 'road>0.8' or 'road>0.8,tree>0.65' (default: the run's own)"


def add_inference_commands(commands: Any) -> None:
    """Add the parsers of both commands."""
    predict = commands.add_parser(
        "predict",
        help="segment images with the network of a run: masks, overlays, areas",
        description="Segment images with the network of a run: masks in the encoding of its data set, overlays, and "
        "the area of every class as CSV. Exit codes: 0 done, 2 refused, 3 done but for files that were skipped.",
    )
    _add_run(predict)
    predict.add_argument("images", nargs="+", metavar="IMAGES", help="files, folders, or patterns in quotes")
    predict.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for what is made")
    predict.add_argument(
        "--tile",
        action="store_true",
        help="cut images into tiles of the size of training, instead of resizing them to it: for large images",
    )
    predict.add_argument(
        "--overlap", type=int, metavar="PX", help="pixels that neighboring tiles share (default: a quarter of a tile)"
    )
    predict.add_argument(
        "--scale", type=float, default=1.0, metavar="S", help="resize by this before tiling, to the scale of training"
    )
    predict.set_defaults(command=_guarded(_predict))
    export = commands.add_parser(
        "export",
        help="write the network of a run as Keras, SavedModel, ONNX, TFLite or MLflow model",
        description="Write the network of a run for other programs, and check that it computes the same. With "
        "--decision the moved threshold becomes part of the network, and its metrics are recorded as a run of its own.",
    )
    _add_run(export)
    export.add_argument("--format", choices=_FORMATS, default="keras", help="default: %(default)s")
    export.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="default: model_<run>, with the ending of the format"
    )
    export.add_argument(
        "--image-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="in px (default: that of the training)"
    )
    export.add_argument("--register", metavar="NAME", help="with --format mlflow: register the model under this name")
    export.add_argument("--data", metavar="PATH", help="with --decision: where the data set lies (default: as the run)")
    export.set_defaults(command=_guarded(_export))


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, metavar="RUN_ID", help="id of a run, or its first six characters")
    parser.add_argument("--decision", metavar="RULE", help=_DECISION)
    parser.add_argument("--experiment", default="fnmask", help="MLflow experiment (default: %(default)s)")


def _guarded(action: Any) -> Any:
    """The action, whose complaints about what was given end in one message and exit code 2."""

    def run(arguments: argparse.Namespace) -> int:
        from fnmask.binding import ConfigError
        from fnmask.tracking.records import NotFoundError

        try:
            code: int = action(arguments)
            return code
        except (ConfigError, NotFoundError, ValueError, OSError) as error:
            return _refuse(str(error))

    return run


def _refuse(message: str) -> int:
    print(f"fnmask: {message}", file=sys.stderr)
    return _REFUSED


def _open(arguments: argparse.Namespace) -> Any:
    """The store of the project that the command is called in."""
    root = find_root(Path.cwd())
    if root is None and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise FileNotFoundError(f"No {DATABASE_NAME} in {Path.cwd()} or above it. Go to the project root.")
    from fnmask.tracking.mlflow_store import MlflowStore

    return MlflowStore(root or Path.cwd(), arguments.experiment, create=False)


def _load(arguments: argparse.Namespace, store: Any) -> Any:
    """The network of the run, with the rule that is asked for."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from fnmask.backend import load_backend

    load_backend()
    # Images of many sizes are many graphs: TensorFlow would count them aloud.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from fnmask.inference.trained import load_trained

    trained = load_trained(store, arguments.run, decision=arguments.decision)
    named = trained.run.tag("variant") or trained.run.name
    decided = f", decision {trained.decision}" if trained.decision.thresholds else ""
    print(f"{named} (run {trained.run.run_id}){decided}")
    return trained


def _predict(arguments: argparse.Namespace) -> int:
    # What was mistyped is told before seconds are spent on the network.
    from fnmask.inference.image_files import find_images

    images = find_images(arguments.images, output=arguments.output)
    if not 0 < arguments.scale < math.inf:
        raise ValueError(f"--scale is {arguments.scale:g}; give a number above 0, such as 0.5.")
    if not arguments.tile and (arguments.overlap is not None or arguments.scale != 1):
        raise ValueError("--overlap and --scale are for tiles. Give --tile too, or leave them out.")
    if arguments.output.exists() and not arguments.output.is_dir():
        raise NotADirectoryError(f"{arguments.output} is a file. Give a folder with -o; it is made if missing.")
    trained = _load(arguments, _open(arguments))

    from rich.console import Console
    from rich.progress import track

    from fnmask.inference.predict_command import AREAS, Tiles, predict_files

    smallest = min(trained.image_size)
    overlap = smallest // 4 if arguments.overlap is None else arguments.overlap
    if not 0 <= overlap < smallest:
        raise ValueError(f"--overlap is {overlap}; tiles have {trained.image_size} px, give less than {smallest}.")
    console = Console(stderr=True)
    told = predict_files(
        trained,
        track(images, "segmenting", console=console, disable=not console.is_terminal),
        arguments.output,
        tiles=Tiles(overlap, arguments.scale) if arguments.tile else None,
    )
    count = f"{len(told.areas)} image{'' if len(told.areas) == 1 else 's'}"
    print(f"{count}: masks/ and overlays/ in {arguments.output}, areas in {arguments.output / AREAS}")
    if told.skipped:
        print(f"{len(told.skipped)} skipped:", *(f"  {path} {why}" for path, why in told.skipped.items()), sep="\n")
    return _SOME_SKIPPED if told.skipped else 0


def _export(arguments: argparse.Namespace) -> int:
    if arguments.register is not None and arguments.format != "mlflow":
        raise ValueError("--register is for --format mlflow: MLflow's registry holds its own models.")
    if arguments.register is not None and (not arguments.register.strip() or {"/", ":"} & set(arguments.register)):
        raise ValueError(f"--register is {arguments.register!r}; MLflow takes no empty name, and none with / or :.")
    if arguments.output and arguments.format == "mlflow":
        raise ValueError("--format mlflow keeps the model with its run; leave -o out.")
    if arguments.image_size and min(arguments.image_size) < 1:
        raise ValueError(f"--image-size is {' '.join(map(str, arguments.image_size))}; give px above 0.")
    if arguments.output and (path := _path(arguments.output, arguments.format)).exists():
        # Told before a threshold is measured, which may take minutes.
        raise FileExistsError(f"{path} is there already. Give another one with -o, or remove it.")
    store = _open(arguments)
    trained = _load(arguments, store)
    from fnmask.inference.export import ExportError
    from fnmask.inference.moved_threshold import record_seeds, with_rule

    if arguments.data and not trained.decision.thresholds:
        raise ValueError("--data is for --decision: nothing else is measured. Leave it out.")
    if trained.decision.thresholds:
        recorded = record_seeds(store, trained, root=arguments.data)
        trained = with_rule(trained, recorded[0])
        for run in recorded:
            told = {key: run.metrics.get(f"tradeoff/{key}", math.nan) for key in ("others_gain", "target_cost")}
            print(
                f"moved threshold, seed {run.tag('seed')}: run {run.run_id}, others' gain {told['others_gain']:+.1f}, "
                f"target cost {told['target_cost']:+.1f} points on val"
            )
    size = tuple(arguments.image_size) if arguments.image_size else trained.image_size
    try:
        if arguments.format == "mlflow":
            return _log(store, trained, size, arguments.register)
        return _write(trained, arguments, size)
    except ExportError as error:
        return _refuse(str(error))


def _write(trained: Any, arguments: argparse.Namespace, size: Any) -> int:
    from fnmask.inference.export import export_model

    path = _path(arguments.output or Path(f"model_{trained.run.run_id[:8]}"), arguments.format)
    check = export_model(trained, arguments.format, path, image_size=size)
    print(f"{path}, for images of {size[0]} x {size[1]} px; what it takes and gives: {path}.json")
    print(
        f"checked: logits differ by at most {check.largest_difference:.2g} (the largest is {check.largest_logit:.3g}), "
        f"{100 * check.decided_otherwise:.3f} % of the pixels are decided otherwise"
    )
    return 0


def _path(given: Path, format: str) -> Path:
    """With the ending of the format, which Keras insists on."""
    ending = _ENDINGS[format]
    return given if given.name.endswith(ending) else given.with_name(given.name + ending)


def _log(store: Any, trained: Any, size: Any, register_as: str | None) -> int:
    from fnmask.inference.logging_model import log_trained

    model_id = log_trained(store, trained, size, register_as)
    print(f"logged model: models:/{model_id}" + (f", registered as {register_as}" if register_as else ""))
    print(f"serve it: mlflow models serve -m models:/{model_id} --env-manager local")
    return 0
