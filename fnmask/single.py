"""One run under the tracking store, with a progress display: what `python train.py` does without --multirun."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig
from rich.console import Console

from fnmask.backend import load_backend
from fnmask.checked import describe_warnings, require_checked
from fnmask.config import TrialConfig
from fnmask.recording import Record
from fnmask.tracking.mlflow_store import MlflowStore

# A repeated run that had to find the same, and did not.
DISAGREES = 3


def run_single(config: TrialConfig) -> int:
    """Train, and print what came of it.

    Returns:
        The exit code: 0, 1 when it failed, 130 when it was interrupted.

    Raises:
        ConfigError: the data set has errors.
    """
    record, _ = _train(config)
    return _exit_code(record)


def run_repeated(cfg: DictConfig, overrides: Sequence[str], choices: Mapping[str, str]) -> int:
    """Train as a run of the store was trained, and say whether the result agrees; see `fnmask.repeat`.

    Returns:
        The exit code: as `run_single`, and 3 where a deterministic run has another result.

    Raises:
        ConfigError: it cannot be repeated.
    """
    from fnmask.repeat import describe_agreement, read_repeated

    config, run, changed = read_repeated(cfg, overrides, choices)
    record, store = _train(config, repeats=run.run_id)
    if record.result is None or store is None:
        return _exit_code(record)
    if changed:
        print(f"Not compared with run {run.run_id}: {', '.join(changed)} changed.")
        return 0
    sentence, is_well = describe_agreement(store, run, config, record.result)
    record.tracker.set_tags({"fnmask.agreement": sentence})
    print(sentence)
    return 0 if is_well else DISAGREES


def _exit_code(record: Record) -> int:
    if record.result is not None:
        return 0
    return 130 if record.outcome == "interrupted" else 1


def _train(config: TrialConfig, *, repeats: str = "") -> tuple[Record, MlflowStore | None]:
    """Train, print what came of it, and return that with the store that holds it.

    Raises:
        ConfigError: the data set has errors.
    """
    report = require_checked(config, on_check=lambda n_images: print(f"Checking the data set: {n_images} images"))
    print(describe_warnings(report), end="")
    # TensorFlow is loaded only once the config is known to be right.
    print(load_backend())
    from fnmask.open_store import open_store
    from fnmask.progress import RunProgress
    from fnmask.recording import Labels, find_control, run_recorded, variant_label
    from fnmask.trial import run_trial
    from fnmask.workbench import Workbench

    console = Console()
    store = open_store(config)
    control = "plain" if config.is_plain else ""
    with RunProgress(variant_label(config, {}), config.trainer.epochs, console=console) as progress:
        record = run_recorded(
            config,
            Labels("run", control=control, repeats=repeats),
            store=store,
            run=run_trial,
            workbench=Workbench(),
            control=lambda: "itself" if control else find_control(store, config.reference),
            on_epoch=lambda epoch, metrics, _: progress.end_epoch(epoch, metrics["val/miou"]),
        )
        record.close()
    console.print(progress.describe_end(record.outcome, record.reason), markup=False, highlight=False, soft_wrap=True)
    if record.result is None:
        return record, store
    told = [key for key in record.result.metrics if key.startswith(("val/iou/", "val/miou", "tradeoff/"))]
    for key in told:
        console.print(f"  {key:32} {record.result.metrics[key]:8.3f}", highlight=False)
    if not any(key.startswith("tradeoff/") for key in told):
        console.print(
            "No trade-off: run the plain control first, with the same settings and loss=plain.", highlight=False
        )
    return record, store
