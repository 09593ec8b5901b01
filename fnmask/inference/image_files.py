"""Image files as a person names them: files, folders, patterns."""

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fnmask.data.reading import IMAGE_SUFFIXES
from fnmask.inference.prediction_files import MASKS, OVERLAYS


@dataclass(frozen=True)
class ImageFile:
    """A file to be segmented.

    Attributes:
        path: of the file.
        name: of what is made of it, without suffix: unique, and below the same folders as the file.
    """

    path: Path
    name: str


def find_images(given: Sequence[str], *, output: Path | None = None) -> list[ImageFile]:
    """The images that a command line names.

    Args:
        given: files, folders (with all that lies below them) and patterns such as `photos/**/*.jpg`.
        output: folder that predictions are written to: what an earlier call left there is not found in a folder or by
            a pattern.

    Returns:
        Each file once, in the order given; within a folder or a pattern by name.

    Raises:
        FileNotFoundError: something names nothing; all of that is listed.
    """
    made = () if output is None else tuple((output / folder).resolve() for folder in (MASKS, OVERLAYS))
    found: dict[Path, str] = {}
    empty = []
    for word in given:
        own = {path.resolve(): relative for path, relative in _expand(word)}
        if not Path(word).expanduser().is_file():
            own = {path: relative for path, relative in own.items() if not any(map(path.is_relative_to, made))}
        empty += [] if own else [word]
        found = found | {path: relative for path, relative in own.items() if path not in found}
    if empty:
        listed = "; ".join(repr(word) for word in empty)
        raise FileNotFoundError(f"There is no image in {listed}. Looked for {', '.join(IMAGE_SUFFIXES)}.")
    return [ImageFile(path, name) for path, name in zip(found, _distinct_names(found), strict=True)]


def _distinct_names(found: Mapping[Path, str]) -> list[str]:
    """Names without suffix; images of one name, such as a.jpg and a.png, keep it; of several folders their place."""
    stems = [os.path.splitext(relative)[0] for relative in found.values()]
    whole = [f"{_flat(path.parent)}/{relative}" for path, relative in found.items()]
    names = _tell_apart(_tell_apart(stems, list(found.values())), whole)
    taken: set[str] = set()
    for place, name in enumerate(names):
        number = 1
        while names[place].casefold() in taken:
            number += 1
            names[place] = f"{name}_{number}"
        taken.add(names[place].casefold())
    return names


def _tell_apart(names: Sequence[str], longer: Sequence[str]) -> list[str]:
    """Where several have one name, on a disk that does not tell a from A, the longer one."""
    counts = Counter(name.casefold() for name in names)
    return [name if counts[name.casefold()] == 1 else other for name, other in zip(names, longer, strict=True)]


def _expand(word: str) -> list[tuple[Path, str]]:
    """Files with the place that they keep among what is written."""
    path = Path(word).expanduser()
    if path.is_dir():
        below = sorted(child for child in path.rglob("*") if child.suffix.lower() in IMAGE_SUFFIXES and child.is_file())
        return [(child, child.relative_to(path).as_posix()) for child in below]
    if path.is_file():
        return [(path, path.name)]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
    files = [match for match in matches if match.is_file() and match.suffix.lower() in IMAGE_SUFFIXES]
    folder = Path(os.path.commonpath([file.parent for file in files])) if files else Path()
    return [(file, file.relative_to(folder).as_posix()) for file in files]


def _flat(folder: Path) -> str:
    return "_".join(part for part in folder.parts if part != folder.anchor)
