"""The `fnmask` command: check data, compare sweeps, use what they trained; `fnmask train` is `train.py` installed."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fnmask.data_commands import add_data_commands
from fnmask.inference.commands import add_inference_commands
from fnmask.project import DATABASE_NAME, browse_text, find_root, report_dir

EXIT_REFUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after the command's name; None for those of the process.

    Returns:
        The exit code: 0, or 2 when there is nothing to compare.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["train"]:
        return _train(words[1:])
    arguments = _build_parser().parse_args(words)
    exit_code: int = arguments.command(arguments)
    return exit_code


def _build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="fnmask",
        description="Losses that ignore the false negatives of a class: compare the variants of a sweep.",
        epilog="Start runs and sweeps with train.py: python train.py --multirun +sweeps=quickstart",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    compare = commands.add_parser(
        "compare",
        help="print what each loss variant of a sweep costs and buys, and write the HTML page",
        description="Print what each loss variant of a sweep costs and buys per class, against the plain control of "
        "the same seed, and write an HTML page and CSV files.",
    )
    compare.add_argument(
        "--sweep",
        metavar="NAME|RUN_ID",
        action="append",
        default=[],
        help="study name or run id (default: the newest sweep); given again, several sweeps make one comparison",
    )
    compare.add_argument(
        "--where",
        metavar="FILTER",
        default="",
        help="only trials that fit, as in MLflow's search: \"params.`loss.alpha` = '0.25'\"; controls stay",
    )
    compare.add_argument(
        "--metric",
        metavar="KEY",
        default="others_gain",
        help="column that ranks the variants, such as miou, target_iou or iou/road (default: %(default)s)",
    )
    compare.add_argument(
        "--baseline",
        metavar="VARIANT",
        help="compare with this variant or control, such as class_downweight, instead of the plain control",
    )
    compare.add_argument(
        "--images",
        nargs="+",
        choices=("png", "svg"),
        default=(),
        help="draw the pictures as files too (pip install 'fnmask[images]', and Chromium or Chrome)",
    )
    compare.add_argument("--split", choices=("val", "test"), help="main split (default: test when there, else val)")
    compare.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for the files (default: mlruns/reports/<study>)"
    )
    compare.add_argument("--experiment", default="fnmask", help="MLflow experiment (default: %(default)s)")
    compare.set_defaults(command=_compare)
    worker = commands.add_parser(
        "worker",
        help="run trials of a sweep that has begun, in any shell, container or Kubernetes job",
        description="Run trials of a sweep that train.py --multirun has begun, until its budget is finished. Exit "
        "codes: 0 finished, 2 refused, 3 stopped after a row of failures, 4 incomplete, 130 interrupted.",
    )
    worker.add_argument("--study", required=True, metavar="NAME", help="name of the study")
    worker.add_argument(
        "--storage",
        metavar="URL",
        default=os.environ.get("FNMASK_STORAGE"),
        help="Optuna storage (default: $FNMASK_STORAGE, else mlruns/optuna.db of the project; a password belongs into "
        "the variable, since others can see the command line)",
    )
    worker.add_argument("--index", type=int, metavar="N", help="number of this worker, for its GPU and its seed")
    worker.add_argument("--config-dir", type=Path, metavar="DIR", help="more config files, as with train.py")
    worker.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="what differs on this machine, such as dataset.root=PATH"
    )
    worker.set_defaults(command=_work)
    add_inference_commands(commands)
    add_data_commands(commands)
    # Only named here, for --help: its own words are Hydra's, which argparse would misread.
    commands.add_parser("train", help="one run, or with --multirun a sweep: train.py for an installed copy")
    return parser


def _train(words: Sequence[str]) -> int:
    """`fnmask train`: Hydra reads its overrides from the process' arguments."""
    from fnmask.train import main as train

    sys.argv = ["fnmask train", *words]
    train()
    return 0


def _work(arguments: argparse.Namespace) -> int:
    """`fnmask worker`."""
    # Imported here: Hydra and Optuna take a second, and --help should not wait for it.
    from fnmask.worker_command import work

    return work(
        arguments.study,
        arguments.storage,
        arguments.overrides,
        index=arguments.index,
        config_dir=arguments.config_dir,
    )


def _compare(arguments: argparse.Namespace) -> int:
    """`fnmask compare`."""
    root = find_root(Path.cwd())
    if root is None and not os.environ.get("MLFLOW_TRACKING_URI"):
        return _refuse(
            f"No {DATABASE_NAME} in {Path.cwd()} or above it, so there is no sweep to compare. Go to the project "
            "root, or start a sweep: python train.py --multirun +sweeps=quickstart"
        )
    # Imported here: MLflow takes seconds, and --help should not wait for it.
    from rich.console import Console

    from fnmask.compare.comparison import write_comparison
    from fnmask.compare.terminal import comparison_renderable
    from fnmask.tracking.mlflow_store import MlflowStore
    from fnmask.tracking.records import ExperimentNotFoundError, SweepNotFoundError

    # All that a comparison reads it holds to its end: looking through it for garbage finds none.
    gc.disable()
    try:
        store = MlflowStore(root or Path.cwd(), arguments.experiment, create=False)
        studies = [store.find_sweep(name) for name in arguments.sweep or [None]]
        output = arguments.output or report_dir(store.root, "+".join(study.tag("study") for study in studies))
        chosen = [study.run_id for study in studies]
        result = write_comparison(
            store,
            chosen,
            output,
            where=arguments.where,
            split=arguments.split,
            metric=arguments.metric,
            baseline=arguments.baseline,
            images=arguments.images,
        )
    except (ExperimentNotFoundError, SweepNotFoundError, ValueError) as error:
        return _refuse(str(error))
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        return _refuse(f"The comparison cannot be written: {error}. Give another folder with --output DIR.")
    finally:
        gc.enable()
    console = Console()
    if console.is_terminal:
        console.print(comparison_renderable(result.sweep, result.main, width=max(80, console.width)))
    else:
        print(result.table, end="")
    print(f"\npage: {result.report}")
    others = (".csv", ".json", ".md")
    print(f"numbers: {', '.join(str(path) for name, path in result.paths.items() if name.endswith(others))}")
    drawn = [path for name, path in result.paths.items() if name.startswith("figures/")]
    if drawn:
        print(f"pictures: {len(drawn)} in {drawn[0].parent}")
    if result.complaint:
        print(f"fnmask: {result.complaint}", file=sys.stderr)
    print(browse_text(result.view_link))
    return 0


def _refuse(message: str) -> int:
    """Say why nothing was done."""
    print(f"fnmask: {message}", file=sys.stderr)
    return EXIT_REFUSED
