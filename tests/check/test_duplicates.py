import numpy as np
from checking import Arrays, kinds, labels_of, photo
from PIL import Image

from fnmask.check.duplicates import difference_bits, find_duplicates, find_near_duplicates, hash_distances
from fnmask.check.gathering import gather


def facts(**splits):
    return gather(Arrays(splits), n_workers=1)


def row(name, image, labels=None):
    return (name, image, labels_of(20, 14) if labels is None else labels)


def test_distances_count_the_bits_that_differ():
    thumbs = np.random.default_rng(0).integers(0, 256, (5, 16, 17), np.uint8)
    bits = difference_bits(thumbs)
    brighter = (thumbs[:, :, 1:] > thumbs[:, :, :-1]).reshape(5, -1)
    expected = [[np.count_nonzero(one != other) for other in brighter] for one in brighter]
    np.testing.assert_array_equal(hash_distances(bits, bits), expected)


def test_equal_images_within_and_across():
    found = find_duplicates(
        facts(
            train=[row("a", photo(0)), row("b", photo(0)), row("c", photo(0)), row("d", photo(1))],
            val=[row("e", photo(1), labels_of(34)), row("f", photo(2))],
        )
    )
    assert kinds(found) == [("warning", "duplicate_across"), ("warning", "duplicate")]
    across, within = found
    assert str(across.where[0]) == "train/d: = val/e, with other labels"
    assert "1 of the images, equal in every pixel; 1 too many. Of 1 the labels differ." in across.message
    assert str(within.where[0]) == "train/a: = train/b, train/c"
    assert "1 of the images, equal in every pixel; 2 too many. Their labels are equal." in within.message
    assert find_duplicates(facts(train=[row("a", photo(0)), row("b", photo(1))])) == []


def as_jpeg(image, quality=60):
    import io

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def test_saved_again_resized_or_brighter_is_nearly_equal():
    image = photo(0, height=64, width=68)
    larger = np.array(Image.fromarray(image).resize((102, 96), Image.Resampling.BICUBIC))
    brighter = np.clip(image.astype(int) + 8, 0, 255).astype(np.uint8)
    found = find_near_duplicates(
        facts(
            train=[row("a", image, labels_of(68, height=64, width=68))],
            val=[
                row("jpeg", as_jpeg(image), labels_of(68, height=64, width=68)),
                row("larger", larger, labels_of(102, height=96, width=102)),
                row("other", photo(1)),
            ],
            test=[row("brighter", brighter, labels_of(68, height=64, width=68))],
        )
    )
    assert sorted((one.severity, one.kind, one.count) for one in found) == [
        ("hint", "near_duplicate", 2),
        ("warning", "near_duplicate_across", 1),
        ("warning", "near_duplicate_across", 1),
        ("warning", "near_duplicate_across", 2),
    ]
    named = {place.id for one in found for place in one.where}
    assert named == {"jpeg", "larger", "brighter"}
    assert any("like train/a" in place.detail for one in found for place in one.where)


def test_within_a_split_it_is_a_hint_of_both_images():
    (found,) = find_near_duplicates(
        facts(train=[row("a", photo(0)), row("b", as_jpeg(photo(0), 95)), row("c", photo(5))])
    )
    assert (found.severity, found.kind, found.count) == ("hint", "near_duplicate", 2)
    assert found.message.startswith("Images with another in the same split that looks nearly like them: 2 of 3.")
    assert [place.id for place in found.where] == ["a", "b"]


def test_of_a_camera_that_stands_still_every_image_is_told_once():
    noise = np.random.default_rng(0)
    frames = [np.clip(photo(0) + noise.integers(-3, 4, (32, 34, 3)), 0, 255).astype(np.uint8) for _ in range(20)]
    (found,) = find_near_duplicates(facts(train=[row(f"{i}", frame) for i, frame in enumerate(frames)]))
    assert found.count == len(found.where) == 20
    assert len({place.id for place in found.where}) == 20


def test_a_darker_picture_of_the_same_shapes_does_not_hide_a_copy():
    bright = photo(0) // 2 + 128
    darker = bright - 100  # all bits are the same, and those of the copy are not
    (found,) = find_near_duplicates(
        facts(train=[row("dark", darker), row("copy", as_jpeg(bright, 95))], val=[row("a", bright)])
    )
    assert found.where[0].detail.startswith("like train/copy")


def test_flat_dark_and_mirrored_pictures_are_not_taken_for_copies():
    flat = [row(f"flat{i}", np.full((32, 34, 3), 100 + i, np.uint8)) for i in range(3)]
    dark = row("dark", (photo(0) // 3).astype(np.uint8))
    mirrored = row("mirrored", np.ascontiguousarray(photo(0)[:, ::-1]))
    assert find_near_duplicates(facts(train=[row("a", photo(0)), dark, mirrored, *flat])) == []


def test_equal_images_are_not_told_again_as_nearly_equal():
    assert find_near_duplicates(facts(train=[row("a", photo(0)), row("b", photo(0))])) == []


def test_more_images_than_a_block_holds():
    many = [row(f"{i}", photo(i)) for i in range(1030)]
    found = find_near_duplicates(
        facts(train=many, test=[row("copy", as_jpeg(photo(3), 95)), row("late", as_jpeg(photo(1029), 95))])
    )
    assert [(one.kind, one.count) for one in found] == [("near_duplicate_across", 2)]
    assert {place.detail.partition(",")[0] for place in found[0].where} == {"like train/3", "like train/1029"}


def test_more_images_than_a_block_are_compared_with_few():
    many = [row(f"{i}", photo(i)) for i in range(1030)]
    (found,) = find_near_duplicates(facts(train=[row("copy", as_jpeg(photo(1029), 95))], test=many))
    assert [str(place).partition(",")[0] for place in found.where] == ["test/1029: like train/copy"]
