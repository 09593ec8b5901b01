"""No training on a data set with errors: the check is done once for a content, and kept beside the decoded images."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

from fnmask.binding import ConfigError
from fnmask.check.checking import check_source
from fnmask.check.report import CHECK_VERSION, CheckReport, finding_text, from_json, to_json
from fnmask.config import TrialConfig
from fnmask.schema import DatasetConfig

_LOG = logging.getLogger(__name__)


def require_checked(
    config: TrialConfig, *, n_workers: int | None = None, on_check: Callable[[int], None] = lambda n_images: None
) -> CheckReport:
    """The report of the trial's data set: the one that was kept, or made now.

    Args:
        config: of the trial.
        n_workers: processes that read images, see `fnmask.check.gathering`.
        on_check: called with the number of images before they are read.

    Raises:
        ConfigError: the set has errors, in the words of `fnmask data check`.
    """
    report = read_kept(config)
    if report is None:
        source = config.source
        on_check(sum(len(source.ids(split)) for split in ("train", "val", "test")))
        name = config.choices.get("dataset", type(source).__name__)
        report = check_source(source, name=name, digest=_digest(config), n_workers=n_workers)
        # Errors may be of this machine: a missing extra, a disk that failed once.
        if not report.of("error"):
            keep(config, report)
    errors = report.of("error")
    if errors:
        told = [f"dataset: {finding_text(error)}" for error in errors]
        raise ConfigError([*told, "See all of it: fnmask data check, with the same dataset=... words."])
    return report


def read_kept(config: TrialConfig) -> CheckReport | None:
    """The report that an earlier call has kept of this content, read in this way; or None."""
    place = _place(config)
    try:
        return None if place is None else from_json(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def keep(config: TrialConfig, report: CheckReport) -> None:
    """Leave a report for later trials; where it cannot be written they check again."""
    place = _place(config)
    if place is None:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # In one step, so that nobody reads half of it.
        with tempfile.NamedTemporaryFile("w", dir=place.parent, encoding="utf-8", delete=False) as file:
            own = Path(file.name)
            try:
                file.write(to_json(report))
                file.flush()
                own.replace(place)
            except OSError:
                own.unlink()
                raise
    except OSError as error:
        _LOG.warning("The check of the data is not kept, since %s cannot be written: %s", place, error)


def describe_warnings(report: CheckReport) -> str:
    """The warnings in words, for a person and for the record of a run; empty without any."""
    warnings = report.of("warning")
    lines = [f"warning: {finding_text(finding)}" for finding in warnings]
    return "\n".join([f"Data: {report.summary()}.", *lines, ""]) if warnings else ""


def _digest(config: TrialConfig) -> str:
    try:
        return config.data_digest
    except ConfigError:  # a file that cannot be read: the check says which
        return ""


def _place(config: TrialConfig) -> Path | None:
    """Where the report is kept; None where the content has no digest."""
    digest = _digest(config)
    if not digest:
        return None
    # Groups are part of the settings, not of the content; the place of the set is part of neither.
    left_out = (*DatasetConfig.model_fields, "root")
    settings = {key: value for key, value in config.resolved["dataset"].items() if key not in left_out}
    own = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return config.root / "mlruns" / ".data" / f"{digest[:32]}-check-{CHECK_VERSION}-{own}.json"
