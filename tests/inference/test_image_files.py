import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fnmask.inference.image_files import find_images

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


def save(path, mode="RGB", **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(PIXELS).convert(mode).save(path, **kwargs)
    return path


def names(*given, **kwargs):
    return [file.name for file in find_images([str(word) for word in given], **kwargs)]


def test_files_folders_and_patterns(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.tif", "sub/deeper/ü ñ.png", "sub/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == ["a", "b", "sub/c", "sub/deeper/ü ñ"]
    assert names(tmp_path / "sub") == ["c", "deeper/ü ñ"]
    assert names(tmp_path / "*.png") == ["b"]
    assert names(tmp_path / "**" / "*.png") == ["b", "sub/deeper/ü ñ"]
    assert names(tmp_path / "b.png", tmp_path) == ["b", "a", "sub/c", "sub/deeper/ü ñ"]
    # Named by itself a file is tried whatever it is called.
    assert names(tmp_path / "sub" / "notes.txt") == ["notes"]


def test_a_name_with_the_signs_of_a_pattern_is_a_name(tmp_path):
    (tmp_path / "tile[1].png").touch()
    assert names(tmp_path / "tile[1].png") == ["tile[1]"]


def test_what_names_nothing_is_told_all_at_once(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").touch()
    with pytest.raises(FileNotFoundError) as missing:
        names(tmp_path / "empty", tmp_path / "a.png", tmp_path / "*.jpg")
    assert f"There is no image in '{tmp_path / 'empty'}'; '{tmp_path / '*.jpg'}'. Looked for .bmp" in str(missing.value)


def test_names_that_would_collide_keep_their_suffix_or_their_folder(tmp_path):
    for name in ("one/a.jpg", "one/a.png", "two/b.png", "three/B.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path / "one") == ["a.jpg", "a.png"]
    found = names(tmp_path / "two", tmp_path / "three")
    assert [name.rpartition("/")[2] for name in found] == ["b.png", "B.png"]
    assert found[0].endswith("_two/b.png")


@pytest.mark.parametrize(
    "made",
    [
        ("x/a_b/c.png", "x/a/b/c.png"),  # their folders look alike in one name
        ("x/a.jpg", "x/a.png", "x/a.jpg.png"),
        ("x/1/a.png", "x/1/a.jpg", "y/1/a.png"),
    ],
)
def test_no_two_images_are_written_to_one_place(tmp_path, made):
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = names(*(tmp_path / name for name in made))
    assert len({name.casefold() for name in found}) == len(made), found


@given(st.lists(st.text("aA_./", min_size=1, max_size=6), min_size=2, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_names_are_unique_whatever_is_given(tmp_path_factory, words):
    root = tmp_path_factory.mktemp("any")
    given_paths = []
    for place, word in enumerate(words):
        parts = [part for part in word.split("/") if part.strip(".")] or ["a"]
        path = root.joinpath(*parts[:-1], f"{parts[-1]}{('.png', '.jpg')[place % 2]}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError:  # a folder of that name, or a file where a folder is needed
            continue
        given_paths.append(path)
    found = names(*given_paths)
    assert len({name.casefold() for name in found}) == len(set(given_paths))


def test_what_was_written_before_is_not_segmented_again(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "out" / "masks" / "a.png")
    save(tmp_path / "out" / "overlays" / "a.jpg")
    save(tmp_path / "out" / "mine.png")
    assert names(tmp_path, output=tmp_path / "out") == ["a", "out/mine"]
    assert len(names(tmp_path)) == 4
    # Named by itself it is meant.
    assert names(tmp_path / "out" / "masks" / "a.png", output=tmp_path / "out") == ["a"]
    with pytest.raises(FileNotFoundError, match="no image"):
        names(tmp_path / "out" / "masks", output=tmp_path / "out")
