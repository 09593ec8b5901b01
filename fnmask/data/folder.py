"""`dataset=folder`: a person's own images and masks, however they lie."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from fnmask.data.annotations.finding import annotated_classes, holds_annotations, in_files, is_annotation
from fnmask.data.annotations.masks import ANNOTATION_SUFFIXES, AnnotationMasks
from fnmask.data.class_map import VOID, ClassMap, build_class_map, read_class_map, read_color
from fnmask.data.learning import LearnedClassesError, learn_classes
from fnmask.data.mask_files import read_values
from fnmask.data.mask_formats import ClassFiles, ColorMasks, IdMasks, MaskFormat
from fnmask.data.rasters import Window
from fnmask.data.reading import IMAGE_SUFFIXES
from fnmask.data.sampled import SampledSource
from fnmask.data.samples import CLASS, Sample, find_files, read_pairs
from fnmask.data.source import MissingPartnersError, Split
from fnmask.data.splitting import by_fractions, by_lists, by_names, split_name, with_groups
from fnmask.data.tiles import cut_into_tiles

Format = Literal["auto", "ids", "colors", "class_files", "annotations"]
SplitBy = Literal["auto", "folders", "lists", "fractions", "csv"]

Fraction = Annotated[float, Ge(0), Lt(1)]
Pixels = Annotated[int, Ge(1)]


class Folder(SampledSource):
    """Images and masks in folders, by patterns, or by a CSV file of pairs.

    Args:
        root: folder of the set; "~" is expanded.
        images: folder or pattern below it (`images`, `scenes/*/rgb/*.tif`), or a CSV file with the columns image, mask,
            and where wanted split and group.
        masks: folder or pattern of the masks, which have the ids of their images; with `{id}` and `{class}` a file for
            each class or instance; or a file of annotations (`annotations/instances_{split}.json`), or a folder of
            them. Not used with a CSV file.
        classes: a class map (a JSON, YAML or CSV file below the root or anywhere, see `fnmask.data.class_map`), a list
            of names, whose places are the ids, or a mapping of names to colors or ids. None looks at the masks and says
            what they hold; of annotations it takes the classes that they name.
        mask_format: `ids`, `colors`, `class_files`, or `annotations` of COCO, LabelMe, CVAT or Datumaro; `auto` looks
            at the first mask and the class map.
        rest: class of pixels that no file of a class, or no annotation, marks; None for void.
        void: values or colors that mean no class, beside those of the class map; of annotations names.
        split_by: `folders` named train, val and test, above or below images and masks; `lists` of ids in `lists`;
            `fractions`; `csv`, the column of the CSV file; `auto` takes the first of these that is there.
        lists: folder of train.txt, val.txt and perhaps test.txt, below the root.
        val_fraction: of the images, where they are drawn.
        test_fraction: the same; 0 for no test split.
        split_seed: of the draw.
        group_by: regular expression on ids: images for which it finds the same are never divided.
        channels: which three channels are red, green and blue, counted from 0; or one for all of them.
        value_range: the values of an image that become 0 and 255; None for all that its type holds.
        tile_size: height and width in px of the tiles that images are cut into, side by side, before they are resized;
            None for whole images. TIFF files are read tile by tile, if rasterio is installed. What reaches beyond an
            image is black and void. Tiles of one image always belong to one split.

    Raises:
        FileNotFoundError: nothing lies where it should.
        ValueError: what lies there does not go together; the message says how to mend it.
    """

    ignore_class: int | None = VOID

    def __init__(
        self,
        *,
        root: str,
        images: str = "images",
        masks: str = "masks",
        classes: str | Sequence[str] | Mapping[str, Any] | None = None,
        mask_format: Format = "auto",
        rest: str | None = None,
        void: Sequence[Any] = (),
        split_by: SplitBy = "auto",
        lists: str | None = None,
        val_fraction: Fraction = 0.15,
        test_fraction: Fraction = 0.15,
        split_seed: Annotated[int, Ge(0)] = 0,
        group_by: str | None = None,
        channels: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        tile_size: tuple[Pixels, Pixels] | None = None,
    ) -> None:
        self.root = self.place = Path(root).expanduser()
        if not self.root.is_dir():
            raise FileNotFoundError(f"There is no folder {self.root}.")
        samples = self._find(images, masks, mask_format)
        if group_by is not None:
            samples = with_groups(samples, group_by)
        self.samples = self._split(samples, split_by, lists, (val_fraction, test_fraction), split_seed)
        if channels is not None and len(channels) not in (1, 3):
            raise ValueError(f"channels is {list(channels)}; give red, green and blue, or one channel for all three.")
        if value_range is not None and not value_range[0] < value_range[1]:
            raise ValueError(f"value_range is {list(value_range)}; the first must be below the second.")
        self.photo = {"channels": channels, "value_range": value_range}
        self._are_annotations = all(sample.masks[:1] and is_annotation(sample.masks[0]) for sample in samples)
        known = self._classes(classes, void, rest)
        self.class_names, self.class_colors = known.names, known.colors
        self.masks = self._format(mask_format, known, masks, rest, void)
        self.mask_encoding: Literal["ids", "colors"] = "colors" if isinstance(self.masks, ColorMasks) else "ids"
        self.salt = f"{known} {rest} {self.photo} {type(self.masks).__name__} {tile_size and list(tile_size)}"
        self.salt += f" {list(void)}" if self._are_annotations else ""
        if tile_size is not None:
            self.tile_size = tile_size
            self.samples = {
                split: tuple(tile for sample in own for tile in cut_into_tiles(sample, tile_size))
                for split, own in self.samples.items()
            }

    def misplaced_masks(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of a file for each class: see `ClassFiles.misplaced`; names below the root."""
        if not isinstance(self.masks, ClassFiles):
            return (), ()
        unused, shared = self.masks.misplaced(sample for own in self.samples.values() for sample in own)
        return tuple(map(self._name, unused)), tuple(map(self._name, shared))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _find(self, images: str, masks: str, mask_format: Format) -> list[Sample]:
        """Images with their masks, and the splits that folders name."""
        if images.lower().endswith(".csv"):
            return read_pairs(self.root / images, self.root)
        of_images = self._by_split(images)
        if mask_format == "class_files" or CLASS in masks:
            return [Sample(name, path, split=split) for split, own in of_images.items() for name, path in own.items()]
        if is_annotation(Path(masks)) and not set("*?") & set(masks):
            return in_files(self.root, masks, of_images)
        is_beside = mask_format in ("auto", "annotations") and holds_annotations(self.root, masks, images)
        of_masks = self._by_split(masks, ANNOTATION_SUFFIXES if is_beside else IMAGE_SUFFIXES)
        if of_images.keys() != of_masks.keys():
            told = (", ".join(filter(None, sorted(own))) or "no folder of a split" for own in (of_images, of_masks))
            raise ValueError("Images lie in {}, masks in {}. Give both the same folders; images=train/images and "
                             "masks=train/masks take those of one alone.".format(*told))  # fmt: skip
        samples = []
        for split, own in of_images.items():
            alone = sorted(own.keys() ^ of_masks[split].keys())
            if alone:
                raise MissingPartnersError(
                    f"{len(alone)} files have no partner of the same id in {images!r} and {masks!r}"
                    f"{f' of {split}' if split else ''}: {', '.join(alone[:3])}{', ...' if len(alone) > 3 else ''}.",
                    alone,
                )
            samples += [Sample(name, path, (of_masks[split][name],), split) for name, path in own.items()]
        return samples

    def _by_split(self, place: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> dict[str, dict[str, Path]]:
        """Files by split and id: `train/images/...` or `images/train/...`; all under "" where no folder is named so."""
        if any(sign in place for sign in "*?"):
            return {"": find_files(self.root, place)}
        above = [folder.name for folder in sorted(self.root.iterdir()) if split_name(folder.name) and folder.is_dir()]
        above = [name for name in above if (self.root / name / place).is_dir()]
        if above:
            return {name: find_files(self.root, f"{name}/{place}", suffixes) for name in above}
        inner = self.root / place
        below = [folder.name for folder in sorted(inner.iterdir()) if split_name(folder.name)] if inner.is_dir() else []
        if below:
            return {name: find_files(self.root, f"{place}/{name}", suffixes) for name in below}
        return {"": find_files(self.root, place, suffixes)}

    def _split(
        self,
        samples: list[Sample],
        split_by: SplitBy,
        lists: str | None,
        fractions: tuple[float, float],
        seed: int,
    ) -> dict[Split, tuple[Sample, ...]]:
        # Two splits may use one id: then the split is part of it.
        samples = _told_apart(samples)
        alone = [sample.id for sample in samples if not sample.split]
        named = not alone
        if alone and split_by in ("auto", "csv") and len(alone) < len(samples):
            raise ValueError(f"{len(alone)} of {len(samples)} images have no split, the others do: {alone[0]!r}. Name "
                             "that of each, or give split_by=fractions to draw all of them.")  # fmt: skip
        if split_by == "auto":
            split_by = "lists" if lists is not None else "folders" if named else "fractions"
        if split_by in ("folders", "csv"):
            if not named:
                raise ValueError(f"split_by={split_by}, but no split is named: give folders train, val and test, or a "
                                 "CSV file with the column split, or split_by=fractions.")  # fmt: skip
            return by_names(samples)
        if split_by == "lists":
            if lists is None:
                raise ValueError("split_by=lists needs lists=FOLDER, with train.txt and val.txt.")
            return by_lists(samples, self.root / lists, self.root)
        return by_fractions(samples, val=fractions[0], test=fractions[1], seed=seed)

    def _classes(self, given: Any, void: Sequence[Any], rest: str | None) -> ClassMap:
        if given is None and self._are_annotations:
            every = (sample.masks[0] for own in self.samples.values() for sample in own)
            return annotated_classes(list(dict.fromkeys(every)), rest, void)
        if given is None:
            found = learn_classes([path for sample in self.samples["train"] for path in sample.masks])
            raise LearnedClassesError(found)
        if isinstance(given, str):
            inside = self.root / given
            known = read_class_map(inside if inside.is_file() else Path(given).expanduser())
        elif isinstance(given, Mapping):
            known = build_class_map(
                {"name": name, "id" if isinstance(told, int) else "color": told} for name, told in given.items()
            )
        else:
            known = build_class_map({"name": name} for name in given)
        return known if self._are_annotations else _with_void(known, void)

    def _format(
        self, given: Format, classes: ClassMap, masks: str, rest: str | None, void: Sequence[Any]
    ) -> MaskFormat:
        if given != "auto" and (given == "annotations") != self._are_annotations:
            first = next(iter(self.samples["train"][0].masks), masks)
            is_one = "is" if self._are_annotations else "is not"
            raise ValueError(f"mask_format is {given}, and {first} {is_one} a file of annotations (.json, .xml). Give "
                             "mask_format=auto.")  # fmt: skip
        if self._are_annotations:
            return AnnotationMasks(classes, rest, map(str, void))
        if given == "class_files" or CLASS in masks:
            return ClassFiles(classes, self.root, masks, rest)
        if rest is not None:
            raise ValueError(f"rest is {rest!r}, but these masks have a value everywhere: rest goes with a file for "
                             "each class, or annotations.")  # fmt: skip
        if given == "auto":
            given = self._look(classes)
        if given == "colors" and not classes.has_colors:
            raise ValueError("mask_format is colors, and classes gives none, or not of every class. Give a class map "
                             "with the colors of the masks.")  # fmt: skip
        return ColorMasks(classes) if given == "colors" else IdMasks(classes)

    def _look(self, classes: ClassMap) -> Format:
        """The format of the first mask; a palette may mean either."""
        values, _ = read_values(self.samples["train"][0].masks[0], Window(0, 0, 1, 1))
        # Without colors gray levels in three channels are ids; colors are refused as such.
        return "colors" if classes.has_colors and (values.ndim == 3 or not classes.has_values) else "ids"


def _told_apart(samples: Sequence[Sample]) -> list[Sample]:
    names = [sample.id for sample in samples]
    if len(set(names)) == len(names):
        return list(samples)
    return [replace(sample, id=f"{sample.split}/{sample.id}", stem=sample.id) for sample in samples]


def _with_void(classes: ClassMap, void: Sequence[Any]) -> ClassMap:
    """The class map with more values and colors that mean no class."""
    values = [value for value in void if isinstance(value, int)]
    if wrong := [value for value in values if not 0 <= value < 2**16]:
        raise ValueError(f"void is {list(void)!r}; {wrong[0]} is no value of a mask: 0 to 65535.")
    colors = [read_color(value) for value in void if not isinstance(value, int)]
    taken = [value for value in values if value in classes.values] + [one for one in colors if one in classes.colors]
    if taken:
        raise ValueError(f"void is {list(void)!r}, but {taken[0]} stands for a class.")
    return replace(
        classes,
        void_values=tuple(dict.fromkeys((*classes.void_values, *values))),
        void_colors=tuple(dict.fromkeys((*classes.void_colors, *colors))),
    )
