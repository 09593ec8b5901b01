"""A data set in, its report out."""

from collections.abc import Callable, Sequence

from fnmask.check.duplicates import find_duplicates, find_near_duplicates
from fnmask.check.facts import ImageFacts
from fnmask.check.finding import Finding, Place, by_severity
from fnmask.check.gathering import gather
from fnmask.check.label_hints import find_label_hints
from fnmask.check.readability import (
    find_empty_splits,
    find_faults,
    find_misplaced,
    find_palettes,
    find_same_ids,
    find_turned,
    find_unknown,
)
from fnmask.check.report import CheckReport, SplitReport
from fnmask.check.sequences import find_shared_groups, find_shared_names, source_groups
from fnmask.check.shares import SplitShares, find_absent_classes, find_unlike_splits, find_void, split_shares
from fnmask.data.rasters import UnreadableError
from fnmask.data.source import SPLITS, DataSource, MissingPartnersError, Split


def check_source(
    source: DataSource,
    *,
    name: str = "",
    digest: str = "",
    n_workers: int | None = None,
    on_image: Callable[[], None] = lambda: None,
) -> CheckReport:
    """Read every image and say what is to be known of the set.

    Args:
        source: any data source. A method `groups(split)`, where it has one, names for each image what it was taken
            from; see `fnmask.check.sequences`.
        name: of the set, for the report.
        digest: of its content, the same.
        n_workers: processes, see `gather`.
        on_image: called for each image that is done.

    Raises:
        WorkerDiedError: see `gather`.
    """
    return make_report(source, gather(source, n_workers=n_workers, on_image=on_image), name=name, digest=digest)


def make_report(source: DataSource, facts: Sequence[ImageFacts], *, name: str = "", digest: str = "") -> CheckReport:
    """The report of a set whose images were measured."""
    ids = {split: source.ids(split) for split in SPLITS}
    shares = split_shares(facts, len(source.class_names))
    good = [one for one in facts if not one.fault]
    findings = [
        *find_empty_splits(ids),
        *find_same_ids(ids),
        *find_faults(facts),
        *find_unknown(facts),
        *find_misplaced(source),
        *find_turned(facts),
        *find_palettes(facts, source.class_names),
        *find_duplicates(good),
        *find_near_duplicates(good),
        *_find_leakage(source, facts),
        *find_unlike_splits(facts, source.class_names),
        *find_absent_classes(shares, source.class_names),
        *find_void(facts, shares),
        *find_label_hints(facts, source.class_names),
    ]
    splits: dict[Split, SplitReport] = {}
    for split in SPLITS:
        own = [one for one in good if one.split == split]
        if ids[split]:
            splits[split] = _split_report(own, shares.get(split), len(ids[split]), len(source.class_names))
    colors = tuple((int(red), int(green), int(blue)) for red, green, blue in source.class_colors)
    return CheckReport(name, digest, tuple(source.class_names), colors, splits, tuple(by_severity(findings)))


def report_refused(cause: BaseException | None, *, name: str = "") -> CheckReport | None:
    """The report of a set that its reader does not open, since files are broken or have no partner.

    Args:
        cause: what the reader said.
        name: of the set.

    Returns:
        A report with one error; None where it is not the files that are at fault, but what was asked for.
    """
    if isinstance(cause, MissingPartnersError):
        kind, where = "partner", tuple(Place("", file) for file in cause.alone)
    elif isinstance(cause, UnreadableError):
        kind, where = "unreadable", ()
    else:
        return None
    message = f"{cause} Nothing else was checked."
    return CheckReport(name, "", (), (), {}, (Finding("error", kind, message, where, max(len(where), 1)),))


def _find_leakage(source: DataSource, facts: Sequence[ImageFacts]) -> list[Finding]:
    groups = source_groups(source)
    named = {
        (split, image): group
        for split in SPLITS
        for image, group in zip(source.ids(split), groups(split) if groups else (), strict=groups is not None)
        if group
    }
    # What the source says of its groups is better than what its names seem to say.
    return find_shared_groups(facts, named) if named else find_shared_names(facts)


def _split_report(
    facts: Sequence[ImageFacts], shares: SplitShares | None, images: int, num_classes: int
) -> SplitReport:
    sizes = sorted((one.size for one in facts), key=lambda size: size[0] * size[1]) or [(0, 0)]
    if shares is None:  # no image of it can be read
        return SplitReport(images, 0, (0,) * num_classes, (0,) * num_classes, 0, sizes[0], sizes[-1])
    pixels, images_with = (tuple(int(count) for count in of) for of in (shares.pixels, shares.images_with))
    return SplitReport(images, len(facts), pixels, images_with, shares.void, sizes[0], sizes[-1])
