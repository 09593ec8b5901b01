import json
from pathlib import Path

import pytest

from fnmask.data.class_map import VOID_NAMES, build_class_map, distinct_colors, read_class_map, read_color


def written(tmp_path: Path, name: str, content: object) -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_the_forms_that_sets_come_with(tmp_path):
    colors = ((128, 64, 128), (1, 2, 3))
    for name, content in (
        ("a.json", [{"name": "road", "color": "#804080"}, {"name": "sky", "color": [1, 2, 3]}]),
        ("b.json", {"classes": [{"title": "road", "color": "#804080"}, {"title": "sky", "color": "1,2,3"}]}),
        ("c.yaml", "road: '#804080'\nsky: [1, 2, 3]\n"),
        ("d.csv", "name,r,g,b\nroad,128,64,128\nsky,1,2,3\n"),
        ("e.csv", "\ufeffName , color\nroad, 804080\nsky,#010203\n"),
    ):
        found = read_class_map(written(tmp_path, name, content))
        assert (found.names, found.colors, found.values) == (("road", "sky"), colors, (0, 1)), name
        assert (found.has_colors, found.has_values) == (True, False)


def test_ids_and_void(tmp_path):
    found = read_class_map(written(tmp_path, "a.yaml", "road: 7\nsky: 3\nunlabeled: 0\n"))
    assert (found.names, found.values, found.void_values, found.has_values) == (("road", "sky"), (7, 3), (0,), True)
    marked = [
        {"name": "a", "id": 1},
        {"name": "b", "id": 2},
        {"name": "gap", "id": 9, "color": "#000000", "void": True},
    ]
    found = build_class_map(marked)
    assert (found.void_values, found.void_colors) == ((9,), ((0, 0, 0),))
    for name in VOID_NAMES:
        assert build_class_map([{"name": "a"}, {"name": "b"}, {"name": name.upper(), "id": 200}]).void_values == (200,)


def test_what_has_no_color_gets_one_of_its_own():
    colors = distinct_colors(200)
    assert len(set(colors)) == 200
    assert (0, 0, 0) not in colors
    # As in the Pascal VOC development kit.
    assert colors[:4] == ((128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128))
    # One that is given is not given away.
    given = [{"name": "a", "color": "#008000"}, {"name": "b"}, {"name": "c"}, {"name": "void", "color": "#808000"}]
    found = build_class_map(given)
    assert (found.colors[0], found.has_colors) == ((0, 128, 0), False)
    assert len({*found.colors, *found.void_colors}) == 4
    every = [{"name": str(place), "color": color} for place, color in enumerate(colors[:100])]
    assert len(set(build_class_map([{"name": f"x{place}"} for place in range(100)] + every).colors)) == 200


def test_names_that_are_numbers(tmp_path):
    """A set of house numbers, say; YAML reads them as such."""
    for content in ("[0, 1]", "[{name: 0}, {name: 1}]", "{0: '#010203', 1: '#040506'}"):
        assert read_class_map(written(tmp_path, "a.yaml", content)).names == ("0", "1")
    for content in ("[no, other]", "{no: 1, other: 2}"):
        with pytest.raises(ValueError, match=r"the name False of an entry is YAML's word for .*; write it in quotes"):
            read_class_map(written(tmp_path, "a.yaml", content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"name": "a"}], r"it has 1 classes; 2 to 255 are allowed"),
        ([{"name": "a"}, {"name": "A"}], r"the name a comes more than once"),
        ([{"name": "a", "color": "#010101"}, {"name": "b", "color": "#010101"}], r"the color #010101 comes more than"),
        ([{"name": "a", "id": 1}, {"name": "b", "id": 1}], r"the id 1 comes more than once"),
        ([{"name": "a", "id": -1}, {"name": "b"}], r"the id of 'a' is -1"),
        ([{"name": "a", "color": "red"}, {"name": "b"}], r"'red' is no color; write #RRGGBB"),
        ([{"name": "a", "color": [1, 2, 300]}, {"name": "b"}], r"\[1, 2, 300\] is no color"),
        ([{"color": "#010101"}, {"name": "b"}], r"has no name"),
        ("5", r"neither a list of classes nor names"),
        ("{", r"cannot be used"),
    ],
)
def test_a_wrong_one_is_refused_with_its_name(tmp_path, content, message):
    path = written(tmp_path, "classes.json", content)
    with pytest.raises(ValueError, match=message) as caught:
        read_class_map(path)
    assert str(path) in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no class map"):
        read_class_map(tmp_path / "absent.json")
    with pytest.raises(ValueError, match=r"must end in \.json, \.yaml"):
        read_class_map(tmp_path / "classes.txt")
    with pytest.raises(ValueError, match="its header is a, b; it needs name"):
        read_class_map(written(tmp_path, "x.csv", "a,b\n1,2\n"))
    assert read_color("128 64 128") == (128, 64, 128)


def test_places_are_those_of_the_whole_list():
    """With void first, land used to be 0: masks whose last class is rare were trained one off."""
    found = build_class_map({"name": name} for name in ("void", "land", "road", "unknown"))
    assert (found.names, found.values, found.void_values) == (("land", "road"), (1, 2), (0, 3))
    assert not found.has_values
    some = build_class_map([{"name": "void"}, {"name": "land", "id": 5}, {"name": "road", "id": 7}])
    assert (some.values, some.void_values) == ((5, 7), ()), "ids that are given are all that there is"


@pytest.mark.parametrize(
    "text", ["- name: land\n  color: #010203\n- name: road\n  color: '#040506'\n", "road: 3\nland: #010203\n"]
)
def test_a_color_that_yaml_takes_for_a_comment_is_no_class_without_a_color(tmp_path, text):
    with pytest.raises(ValueError, match=r"the color of 'land' is empty; # begins a comment in YAML"):
        read_class_map(written(tmp_path, "classes.yaml", text))
