"""`dataset=tfds` on small sets that TensorFlow Datasets prepares here."""

import numpy as np
import pytest
from composing import check

from fnmask.data.arrays import load_split
from fnmask.data.class_map import VOID
from fnmask.data.source import SPLITS

tfds = pytest.importorskip("tensorflow_datasets", reason="the extra tfds is not installed")

from fnmask.data.tfds import TensorFlowDataset  # noqa: E402


def image_of(number):
    return np.full((6, 10, 3), number, np.uint8)


def mask_of(number, values):
    return np.resize(np.roll(values, number), (6, 10, 1)).astype(np.uint8)


def prepare(name, data_dir, *, values, image="image", mask="segmentation_mask", splits=None, mask_feature=None):
    """A set of this name, whose masks hold the values in turn."""

    class Made(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            feature = mask_feature or tfds.features.Image(shape=(None, None, 1))
            features = {image: tfds.features.Image(encoding_format="png"), mask: feature}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(count) for split, count in (splits or {"train": 20}).items()}

        def _generate_examples(self, count):
            for number in range(count):
                yield number, {image: image_of(number), mask: mask_of(number, values)}

    Made.name = name
    Made(data_dir=data_dir).download_and_prepare()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare("oxford_iiit_pet", folder, values=[1, 2, 3], splits={"train": 20, "test": 3})
    prepare(
        "two_roads",
        folder,
        values=[0, 1, 2, 9],
        image="photo",
        mask="label",
        mask_feature=tfds.features.LabeledImage(shape=(None, None, 1), labels=["land", "road", "water"]),
    )
    prepare("nameless", folder, values=[4, 7])
    return str(folder)


TWO_ROADS = {"name": "two_roads", "train": "train[:16]", "val": "train[16:]", "void": [9]}


def test_a_known_set_needs_its_name_alone(data_dir):
    source = TensorFlowDataset(name="oxford_iiit_pet:1.0.0", data_dir=data_dir)
    assert [len(source.ids(split)) for split in SPLITS] == [18, 2, 3]
    assert source.class_names == ("pet", "background")
    numbers = set()
    for split in SPLITS:
        for index in range(len(source.ids(split))):
            image, labels = source.load(split, index)
            number = int(image[0, 0, 0])
            np.testing.assert_array_equal(image, image_of(number))
            expected = np.array([0, 0, 1, VOID])[mask_of(number, [1, 2, 3])[..., 0]]
            np.testing.assert_array_equal(labels, expected)
            numbers.add((split == "test", number))
    assert len(numbers) == 23, "every example once"


def test_a_set_that_names_its_classes(data_dir):
    source = TensorFlowDataset(**TWO_ROADS, data_dir=data_dir)
    assert source.class_names == ("land", "road", "water")
    assert source.ids("test") == ()
    image, labels = source.load("val", 0)
    expected = np.array([0, 1, 2, *[-1] * 6, VOID])[mask_of(int(image[0, 0, 0]), [0, 1, 2, 9])[..., 0]]
    np.testing.assert_array_equal(labels, expected)
    with pytest.raises(ValueError, match=r"train example 0 of two_roads/1\.0\.0: it holds the values 9 \("):
        TensorFlowDataset(**{**TWO_ROADS, "void": []}, data_dir=data_dir).load("train", 0)


def test_examples_out_of_turn_are_the_same(data_dir):
    source = TensorFlowDataset(**TWO_ROADS, data_dir=data_dir)
    in_turn = [int(source.load("train", index)[0][0, 0, 0]) for index in range(16)]
    out_of_turn = [int(source.load("train", index)[0][0, 0, 0]) for index in (5, 5, 2, 15, 0)]
    assert out_of_turn == [in_turn[index] for index in (5, 5, 2, 15, 0)]
    assert len(set(in_turn)) == 16
    arrays = load_split(source, "train", image_size=(6, 10))
    assert arrays.images[:, 0, 0, 0].tolist() == in_turn


def test_classes_that_are_given(data_dir, tmp_path):
    own = {"name": "nameless", "data_dir": data_dir, "train": "train[:50%]", "val": "train[50%:]"}
    with pytest.raises(ValueError, match="classes is not given, and nameless does not say what its ids mean"):
        TensorFlowDataset(**own)
    source = TensorFlowDataset(**own, classes={"road": 7, "land": 4})
    assert set(np.unique(source.load("train", 0)[1])) == {0, 1}
    (tmp_path / "classes.csv").write_text("name,id\nroad,7\nland,4\n")
    same = TensorFlowDataset(**own, classes=str(tmp_path / "classes.csv"))
    np.testing.assert_array_equal(same.load("train", 0)[1], source.load("train", 0)[1])
    with pytest.raises(ValueError, match=r"void is \[7\], but 7 stands for a class"):
        TensorFlowDataset(**own, classes={"road": 7, "land": 4}, void=[7])


def test_a_digest_follows_splits_and_classes(data_dir):
    digests = [TensorFlowDataset(**{**TWO_ROADS, **own}, data_dir=data_dir).digest() for own in ({}, {}, {"void": [8]})]
    assert digests[0] == digests[1] != digests[2]
    other = TensorFlowDataset(**{**TWO_ROADS, "train": "train[:15]"}, data_dir=data_dir).digest()
    assert other != digests[0]


@pytest.mark.parametrize(
    ("own", "error", "told"),
    [
        ({"name": "no_such_set"}, ValueError, "name is 'no_such_set', which TensorFlow Datasets does not know"),
        (
            {"name": "cityscapes:0.0.1"},
            ValueError,
            r"'cityscapes:0\.0\.1', which TensorFlow Datasets cannot open: .*0\.0\.1",
        ),
        ({"name": "cityscapes/wrong"}, ValueError, "TensorFlow Datasets cannot open: .*wrong"),
        ({"name": "cityscapes", "download": True}, ValueError, "(?s)could not prepare cityscapes: .*registration"),
        ({"name": "cityscapes"}, FileNotFoundError, r"cityscapes is not prepared in .*dataset\.download=true"),
        ({**TWO_ROADS, "val": None}, ValueError, r"val is not given; the splits of two_roads are train\. Give such as"),
        ({**TWO_ROADS, "val": "valid"}, ValueError, r"val is 'valid'; the splits of two_roads are train\. \("),
        ({**TWO_ROADS, "val": "train[:0]"}, ValueError, "which has no example of two_roads"),
        (
            {**TWO_ROADS, "mask_key": "mask"},
            ValueError,
            "mask_key is 'mask'; the features of two_roads are label, photo",
        ),
    ],
)
def test_what_does_not_fit_is_told(data_dir, own, error, told):
    with pytest.raises(error, match=told):
        TensorFlowDataset(**own, data_dir=data_dir)


def test_the_option(data_dir):
    words = ("dataset=tfds", "dataset.name=oxford_iiit_pet:1.0.0", f"dataset.data_dir={data_dir}", "loss.target=pet")
    config = check(*words)
    assert config.target_names == ("pet",)
    assert len(config.source.ids("train")) == 18
