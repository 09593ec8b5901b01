"""One run under the tracking store, with a progress display: what `python train.py` does without --multirun."""

from rich.console import Console

from fnmask.backend import load_backend
from fnmask.config import TrialConfig


def run_single(config: TrialConfig) -> int:
    """Train, and print what came of it.

    Returns:
        The exit code: 0, 1 when it failed, 130 when it was interrupted.
    """
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
            Labels("run", control=control),
            store=store,
            run=run_trial,
            workbench=Workbench(),
            control=lambda: "itself" if control else find_control(store, config.reference),
            on_epoch=lambda epoch, metrics, _: progress.end_epoch(epoch, metrics["val/miou"]),
        )
        record.close()
    console.print(progress.describe_end(record.outcome, record.reason), markup=False, highlight=False, soft_wrap=True)
    if record.result is None:
        return 130 if record.outcome == "interrupted" else 1
    told = [key for key in record.result.metrics if key.startswith(("val/iou/", "val/miou", "tradeoff/"))]
    for key in told:
        console.print(f"  {key:32} {record.result.metrics[key]:8.3f}", highlight=False)
    if not any(key.startswith("tradeoff/") for key in told):
        console.print(
            "No trade-off: run the plain control first, with the same settings and loss=plain.", highlight=False
        )
    return 0
