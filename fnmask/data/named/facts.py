"""What is known of a public data set before a file of it is read: classes, licence, splits, how it must lie on disk."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fnmask.data.class_map import VOID, ClassMap, Color, distinct_colors


@dataclass(frozen=True)
class Facts:
    """A public data set.

    Attributes:
        title: what its publisher calls it.
        classes: names, colors, and what stands for them in a mask.
        licence: in a few words, and who may use it.
        citation: authors, title, venue, year.
        homepage: of the publisher.
        get: where the files are, and what to do for them.
        layout: how they must lie below `root`.
        official: images with public labels in each split of the publisher.
        splits: which of them train, validate and test.
        inside: folders, as patterns, that the publisher packs everything into; any of them may be left out on disk.
        unpack_into: pattern of an archive's name -> folder for its content, where archives would else mix.
        encoding: how masks are written.
        void: label of pixels without a class.
    """

    title: str
    classes: ClassMap
    licence: str
    citation: str
    homepage: str
    get: str
    layout: str
    official: Mapping[str, int]
    splits: str
    inside: tuple[str, ...] = ()
    unpack_into: Mapping[str, str] = field(default_factory=dict)
    encoding: Literal["ids", "colors"] = "ids"
    void: int = VOID

    @property
    def expected(self) -> str:
        """For errors: how it must lie, and where people get it."""
        return f"{self.title} is expected as {self.layout} below `root`. {self.get}"

    def find_inside(self, root: Path) -> Path:
        """The folder that holds the files: the root, or one in it that the publisher's archive brings."""
        for pattern in self.inside:
            for found in sorted(root.glob(pattern)):
                if found.is_dir():
                    return found
        return root


def classes_by_id(
    names: Mapping[int, str] | Iterable[str],
    colors: Iterable[Color] | None = None,
    *,
    first: int = 0,
    void: Iterable[int] = (),
) -> ClassMap:
    """Classes of masks that hold ids.

    Args:
        names: by id, or in order.
        colors: for pictures, in order; None for colors that are told apart.
        first: the id of the first class, where names are in order.
        void: ids that mean no class.
    """
    by_id = names if isinstance(names, Mapping) else dict(enumerate(names, start=first))
    shown = tuple(distinct_colors(len(by_id)) if colors is None else colors)
    if len(shown) != len(by_id):
        raise ValueError(f"There are {len(by_id)} classes and {len(shown)} colors; give as many.")
    return ClassMap(tuple(by_id.values()), shown, tuple(by_id), (), tuple(void), has_values=True)


def classes_by_color(colors: Mapping[str, str], void: Iterable[str] = ()) -> ClassMap:
    """Classes of masks that hold colors, written as six hexadecimal digits."""
    known = {name: _color(digits) for name, digits in colors.items()}
    void_colors = tuple(_color(digits) for digits in void)
    return ClassMap(tuple(known), tuple(known.values()), tuple(range(len(known))), void_colors, has_colors=True)


def _color(digits: str) -> Color:
    red, green, blue = bytes.fromhex(digits)
    return (red, green, blue)
