"""What must be equal for trials to be compared: network, data, base loss, optimizer and budget; and who differs in it.

Trials of one label that differ in any of these are no seeds of one variant. They are kept apart: each group becomes a
variant of its own, against the plain control that shares its settings, and a note says which settings those are.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fnmask.compare.runs import SPLITS, Trial

_NODES = ("backbone.", "dataset.", "label_noise.", "augmentation.", "base.", "optimizer.", "trainer.")

# Of these no number of a result depends, or only by where things lie.
_MOVES_NOTHING = (
    *("dataset.root", "trainer.eval_batch_size", "trainer.test", "trainer.cache_features", "trainer.features_gib"),
    *("trainer.share_steps", "trainer.share_gib"),
)
# Nor of these, where the digest says which images and labels were found there.
_WHERE_DATA_LIES = ("dataset.images", "dataset.masks", "dataset.lists")
_DATA = "training data"

# Names and settings in one note.
_MOST = 3

Ground = Mapping[str, str]
# Key, value and usual value of a setting.
Told = tuple[str, str, str]
_Frozen = tuple[tuple[str, str], ...]


def ground_of(trial: Trial) -> dict[str, str]:
    """The settings of a trial that a comparison holds fixed, but for the seed."""
    params = {key: text for key, text in trial.params.items() if key.startswith(_NODES) and key not in _MOVES_NOTHING}
    if not trial.data:
        return params
    return {key: text for key, text in params.items() if key not in _WHERE_DATA_LIES} | {_DATA: trial.data}


def keep_apart(trials: Sequence[Trial]) -> tuple[list[Trial], list[str]]:
    """The trials, with labels that tell those of other settings apart; and a note for each such group.

    Of a label's settings those that most trials have, of whatever label, stay unnamed; of equally many those that came
    first. A label all of whose trials have others than those is then named by them too, but for what it says already:
    a search puts into it whatever it varies. So what has no such name is of the same settings.
    """
    by_label: dict[str, list[Trial]] = {}
    for trial in trials:
        by_label.setdefault(trial.variant, []).append(trial)
    kinds = {label: _by_ground(own) for label, own in by_label.items() if len(own) > 1}
    if all(len(own) == 1 for own in kinds.values()):
        return list(trials), []
    counted = Counter(kind for own in kinds.values() for kind, same in own.items() for _ in same)
    rank = {kind: place for place, (kind, _) in enumerate(counted.most_common())}
    kinds = {label: kinds.get(label) or _by_ground(own) for label, own in by_label.items()}
    renamed: dict[str, str] = {}
    groups: dict[str, list[Trial]] = {}
    for label, own in kinds.items():
        if len(own) > 1:
            usual = min(own, key=rank.__getitem__)
            others = {kind: describe_difference(dict(kind), dict(usual)) for kind in own if kind != usual}
        else:
            usual = next(iter(rank))
            others = {kind: _not_said(label, describe_difference(dict(kind), dict(usual))) for kind in own}
        others = {kind: other for kind, other in others.items() if other}
        short = Counter(_called(other[:_MOST]) for other in others.values())
        for kind, other in others.items():
            name, shown = _called(other[:_MOST]), other[:_MOST]
            # Two groups of one name would be taken for one variant.
            if short[name] > 1:
                name, shown = ", ".join(f"{key}={now}" for key, now, _ in other), other
            renamed |= {trial.run_id: f"{label} · {name}" for trial in own[kind]}
            told = "; ".join(f"{key} {now} instead of {usually}" for key, now, usually in shown)
            groups.setdefault(told, []).extend(own[kind])
    notes = [
        f"Kept apart, as variants of their own: {_count(own)} with {told}." for told, own in groups.items()
    ]  # fmt: skip
    return [replace(trial, variant=renamed.get(trial.run_id, trial.variant)) for trial in trials], notes


def why_left_out(left: Iterable[Trial], kept: Sequence[Trial]) -> list[str]:
    """Notes on trials that were measured on other images than those that are compared."""
    usual = ground_of(kept[0])
    groups: dict[str, list[Trial]] = {}
    for trial in left:
        other = [one for one in describe_difference(ground_of(trial), usual) if one[0].startswith(("dataset.", _DATA))]
        told = "; ".join(f"{key} {now} instead of {usually}" for key, now, usually in other[:_MOST])
        groups.setdefault(told or "other images or labels of the same name", []).append(trial)
    return [
        f"Left out, since they were measured on other images: {_count(own)} with {told}."
        for told, own in groups.items()
    ]


def without_control(trials: Sequence[Trial], baselines: Mapping[str, Trial], what: str = "plain control") -> list[str]:
    """Notes on trials without the control that they would be compared with, and what one would have to share."""
    lacking: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.reference in baselines:
            continue
        same_seed = [own for own in baselines.values() if own.seed == trial.seed] or list(baselines.values())
        differences = [describe_difference(ground_of(trial), ground_of(own)) for own in same_seed]
        nearest = min(differences, key=len, default=[])
        wanted = [f"seed {trial.seed or 'unknown'}", *(f"{key} {now}" for key, now, _ in nearest[:_MOST])]
        lacking.setdefault(", ".join(wanted), []).append(trial)
    return [
        f"No {what} with {wanted}: the differences of {_count(own)} are missing." for wanted, own in lacking.items()
    ]


def unshared_splits(trials: Sequence[Trial]) -> list[str]:
    """Notes on splits that only some of the trials have, on which therefore nothing is compared."""
    lacking = {split: [trial for trial in trials if split not in trial.matrices] for split in SPLITS}
    return [
        f"Nothing is compared on {split}, since it is missing in {_count(own)}."
        for split, own in lacking.items()
        if 0 < len(own) < len(trials)
    ]


def not_ended(outcomes: Mapping[str, int]) -> list[str]:
    """A note where trials have begun and not ended: a sweep that still runs, or was killed."""
    count = sum(outcomes.get(outcome, 0) for outcome in ("queued", "running"))
    return [f"Not in these numbers: {count} trial{'' if count == 1 else 's'} begun and not ended."] if count else []


def unequal_seeds(trials: Sequence[Trial]) -> list[str]:
    """A note where some variants have other seeds than most."""
    seeds: dict[str, set[str]] = {}
    for trial in trials:
        seeds.setdefault(trial.variant, set()).add(trial.seed)
    kinds = Counter(frozenset(own) for own in seeds.values())
    if len(kinds) < 2:
        return []
    usual = kinds.most_common(1)[0][0]
    odd = [name for name, own in seeds.items() if own != usual]
    shown = "; ".join(f"{name}: {_listed(seeds[name])}" for name in odd[:_MOST])
    more = f"; and {len(odd) - _MOST} more" if len(odd) > _MOST else ""
    return [f"Most variants have the seeds {_listed(usual)}. Paired over those that they share with it: {shown}{more}."]


def describe_difference(ground: Ground, usual: Ground) -> list[Told]:
    """Key, value and usual value of every setting that differs."""
    return [
        (key, ground.get(key, "nothing"), usual.get(key, "nothing"))
        for key in sorted({*ground, *usual})
        if ground.get(key) != usual.get(key)
    ]


def _not_said(label: str, difference: Sequence[Told]) -> list[Told]:
    """What a label does not name yet, by the setting, its group, or the base that every label has."""

    def is_said(key: str) -> bool:
        node = key.partition(".")[0]
        return node == "base" or any(f"{word}=" in label for word in (node, key.rpartition(".")[2]))

    return [one for one in difference if not is_said(one[0])]


def _called(difference: Sequence[Told]) -> str:
    """`epochs=8, width=16`."""
    return ", ".join(f"{key.rpartition('.')[2]}={now}" for key, now, _ in difference)


def _by_ground(trials: Iterable[Trial]) -> dict[_Frozen, list[Trial]]:
    found: dict[_Frozen, list[Trial]] = {}
    for trial in trials:
        found.setdefault(_frozen(ground_of(trial)), []).append(trial)
    return found


def _frozen(ground: Ground) -> _Frozen:
    return tuple(sorted(ground.items()))


def _count(trials: Sequence[Trial]) -> str:
    names = list(dict.fromkeys(trial.variant for trial in trials))
    shown = ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
    return f"{len(trials)} trial{'' if len(trials) == 1 else 's'} ({shown})"


def _listed(seeds: Iterable[str]) -> str:
    return ", ".join(sorted(seeds, key=lambda seed: (len(seed), seed)))
