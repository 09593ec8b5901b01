"""Which value or color of a mask means which class: read from the files that data sets come with.

    JSON, YAML   a list of entries  [{"name": "road", "color": "#804080", "id": 3}, {"name": "unlabeled", "void": true}]
                 the same under "classes", as annotation tools write it ("title" for "name")
                 or names with colors or ids  {"road": "#804080"}, {"road": [128, 64, 128]}, {"road": 3}
    CSV          a header with name and r, g, b, or color; id and void if wanted

An entry is void when it says so, or is called void, unlabeled, unlabelled, ignore or unknown. Where no entry has an id,
each has its place in the list, void ones too.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fnmask.data.files import read_text

Color = tuple[int, int, int]

VOID = 255
MOST_CLASSES = VOID
VOID_NAMES = ("void", "unlabeled", "unlabelled", "ignore", "unknown")

_SUFFIXES = (".json", ".yaml", ".yml", ".csv")


@dataclass(frozen=True)
class ClassMap:
    """Classes by their place, and what stands for them in a mask.

    Attributes:
        names: C names, unique.
        colors: C colors, red, green, blue in [0, 255].
        values: C values of masks of ids.
        void_colors: that mean no class.
        void_values: the same, of masks of ids.
        has_colors: whether colors were given; else they are for pictures alone.
        has_values: whether ids were given; else they are places.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    values: tuple[int, ...]
    void_colors: tuple[Color, ...] = ()
    void_values: tuple[int, ...] = ()
    has_colors: bool = False
    has_values: bool = False


def read_class_map(path: Path) -> ClassMap:
    """Read a class map.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is none, or says two things of one name, color or value; the message says which and where.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"{path} is no class map: its name must end in {', '.join(_SUFFIXES)}.")
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no class map {path}.") from None
    try:
        if path.suffix.lower() == ".csv":
            return build_class_map(_csv_entries(text))
        # JSON is YAML, but for tabs.
        return build_class_map(_entries(json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)))
    except (ValueError, yaml.YAMLError, csv.Error) as error:
        raise ValueError(f"The class map {path} cannot be used: {error}") from None


def build_class_map(entries: Iterable[Mapping[str, Any]]) -> ClassMap:
    """A class map of entries with `name` or `title`, and where they are known `color`, `id` and `void`.

    Where no entry has an id, the ids of all are their places, of void ones too; where some have, a class without one
    has its place among the classes. Classes without a color have one that is told from others.

    Raises:
        ValueError: as `read_class_map`.
    """
    classes: list[tuple[str, Color | None, int | None]] = []
    void_colors: list[Color] = []
    void_values: list[int] = []
    entries = list(entries)
    are_listed = all(entry.get("id") in (None, "") for entry in entries)
    for number, entry in enumerate(entries):
        name = _read_name(entry)
        color = None if entry.get("color") in (None, "") else read_color(entry["color"])
        value = None if entry.get("id") in (None, "") else _read_value(entry["id"], name)
        value = number if are_listed else value
        if _is_true(entry.get("void")) or name.lower() in VOID_NAMES:
            void_colors += [] if color is None else [color]
            void_values += [] if value is None else [value]
        elif not name:
            raise ValueError(f"the entry {dict(entry)!r} has no name.")
        else:
            classes.append((name, color, value))
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise ValueError(f"it has {len(classes)} classes; 2 to {MOST_CLASSES} are allowed.")
    names = tuple(name for name, _, _ in classes)
    given = {color for _, color, _ in classes} | set(void_colors)
    drawn = distinct_colors(len(classes) + len(given))
    spare = (color for color in drawn[len(classes) :] if color not in given)
    own = [color if color not in given else next(spare) for color in drawn[: len(classes)]]
    colors = tuple(color or own[place] for place, (_, color, _) in enumerate(classes))
    values = tuple(place if value is None else value for place, (_, _, value) in enumerate(classes))
    _check_unique("name", [name.lower() for name in names])
    _check_unique("color", [hex_color(color) for color in (*colors, *dict.fromkeys(void_colors))])
    _check_unique("id", [*values, *dict.fromkeys(void_values)])
    return ClassMap(
        names,
        colors,
        values,
        tuple(dict.fromkeys(void_colors)),
        tuple(dict.fromkeys(void_values)),
        has_colors=all(color is not None for _, color, _ in classes),
        has_values=not are_listed and all(value is not None for _, _, value in classes),
    )


def read_color(given: object) -> Color:
    """A color written as `#804080`, `[128, 64, 128]`, `"128 64 128"` or `"128,64,128"`.

    Raises:
        ValueError: not such a color.
    """
    parts = given
    if isinstance(given, str):
        text = given.strip()
        if re.fullmatch(r"#?[0-9a-fA-F]{6}", text):
            digits = text.removeprefix("#")
            return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))
        parts = [part for part in re.split(r"[\s,;()\[\]]+", text) if part]
    if isinstance(parts, Sequence) and len(parts) == 3:
        try:
            red, green, blue = (int(part) for part in parts)
        except (TypeError, ValueError, OverflowError):
            pass
        else:
            if all(0 <= part <= 255 for part in (red, green, blue)):
                return (red, green, blue)
    raise ValueError(f"{given!r} is no color; write #RRGGBB or three numbers from 0 to 255.")


def hex_color(color: Color) -> str:
    """Such as `#804080`."""
    return "#{:02X}{:02X}{:02X}".format(*color)


def distinct_colors(count: int) -> tuple[Color, ...]:
    """Colors told from each other: the bits of a class number spread over red, green and blue.

    Source: the color map of the Pascal VOC development kit, without its black.
    """
    colors = []
    for number in range(1, count + 1):
        color, rest = [0, 0, 0], number
        for shift in range(7, -1, -1):
            for channel in range(3):
                color[channel] |= ((rest >> channel) & 1) << shift
            rest >>= 3
        colors.append((color[0], color[1], color[2]))
    return tuple(colors)


def _entries(content: Any) -> list[Mapping[str, Any]]:
    """The entries of a JSON or YAML file, whichever form it has."""
    if isinstance(content, Mapping) and isinstance(content.get("classes"), list | Mapping):
        content = content["classes"]
    if isinstance(content, Mapping):
        return [_with_color(_entry(name, told)) for name, told in content.items()]
    if isinstance(content, list):
        return [_with_color(entry) if isinstance(entry, Mapping) else {"name": entry} for entry in content]
    raise ValueError("it is neither a list of classes nor names with colors or ids.")


def _entry(name: object, told: Any) -> Mapping[str, Any]:
    if isinstance(told, Mapping):
        return {"name": name, **told}
    return {"name": name, "id" if isinstance(told, int) else "color": told}


def _with_color(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if "color" in entry and entry["color"] is None:
        name = entry.get("name") or entry.get("title")
        raise ValueError(f"the color of {name!r} is empty; # begins a comment in YAML, so write '#RRGGBB' in quotes.")
    return entry


def _csv_entries(text: str) -> list[Mapping[str, Any]]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    fields = [field.strip().lower() for field in rows.fieldnames or ()]
    if not {"name", "title"} & set(fields):
        raise ValueError(f"its header is {', '.join(fields) or 'empty'}; it needs name, and r, g, b, or color, or id.")
    rows.fieldnames = fields
    entries: list[Mapping[str, Any]] = []
    for row in rows:
        parts = [row.get(channel) for channel in "rgb"]
        entries.append(row if None in parts else {**row, "color": parts})
    return entries


def _read_name(entry: Mapping[str, Any]) -> str:
    given = next((entry[key] for key in ("name", "title") if entry.get(key) not in (None, "")), "")
    if isinstance(given, bool):
        raise ValueError(f"the name {given!r} of an entry is YAML's word for yes, no, on or off; write it in quotes.")
    return str(given).strip()


def _read_value(given: object, name: str) -> int:
    try:
        value = int(str(given))
    except ValueError:
        value = -1
    if not 0 <= value < 2**16:
        raise ValueError(f"the id of {name!r} is {given!r}; it must be a whole number from 0 to 65535.")
    return value


def _is_true(given: object) -> bool:
    return given is True or str(given).strip().lower() in ("true", "yes", "1")


def _check_unique(what: str, values: Sequence[Any]) -> None:
    twice = [str(value) for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"the {what} {', '.join(twice)} comes more than once.")
