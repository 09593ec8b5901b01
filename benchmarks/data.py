"""What reading data sets costs: `python -m benchmarks.data --camvid PATH --dubai PATH`.

`stream`: epochs of training batches beside what people write with Keras, Pillow, grain and albumentations; the first
one from files that the system has forgotten, and later ones. On the images that are made up.

`augment`: a batch in memory turned, zoomed and recolored as `augmentation=light` does, beside albumentations and Keras.

`check`: `fnmask data check` without its files, beside decoding the same images and masks with Pillow and nothing else,
in as many processes. Whole runs, the start of the processes included, in turns.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import describe_run
from benchmarks.tables import table
from benchmarks.timing import Timings, interleave, timed

_MOST_SHARE = 0.8
_CHUNK = 16
_PARTS = ("stream", "augment", "check")
# Batches that one run of an augmentation changes.
_BATCHES = 10
_TOWNS = 16


def main(arguments: Sequence[str]) -> None:
    """Run all parts, and print the tables."""
    given = _parse(arguments)
    packages = [
        "pillow",
        "numpy",
        *(("tensorflow", "grain", "albumentations") if {"stream", "augment"} & set(given.parts) else ()),
    ]
    versions = {package: version(package) for package in packages}
    print("\n".join([*describe_run("benchmarks.data", arguments, device="CPU", versions=versions), ""]))
    with tempfile.TemporaryDirectory() as folder:
        if {"stream", "augment"} & set(given.parts):
            _write_aerial(Path(folder) / "made up", given.made_up)
        if "stream" in given.parts:
            print("\n".join([*_stream_lines(Path(folder), given), ""]), flush=True)
        if "augment" in given.parts:
            print("\n".join([*_augment_lines(Path(folder), given), ""]), flush=True)
        if "check" in given.parts:
            print("\n".join(_check_lines(list(_sets(given, Path(folder) / "many")), given)))


def _stream_lines(folder: Path, given: argparse.Namespace) -> list[str]:
    from benchmarks.data_streams import Pairs, make_epochs, make_first_epochs

    train = folder / "made up" / "train"
    images = sorted(path.name for path in (train / "images").iterdir())
    pairs = Pairs(train, tuple((name, f"{Path(name).stem}.png") for name in images), tuple(given.size), given.batch)
    columns = []
    for make, rounds in ((make_first_epochs, given.rounds), (make_epochs, given.rounds)):
        counts: dict[str, int] = {}
        runs = {name: partial(_timed_epoch, name, epoch, counts) for name, epoch in make(pairs, folder).items()}
        times = interleave(
            runs, reference="keras", rounds=rounds, warmup=1, log=lambda line: print(line, file=sys.stderr)
        )
        columns.append({name: _rate(times, name, counts) for name in runs})
    first, later = columns
    rows = [[f"`{name}`", *first[name], *later[name]] for name in first]
    header = [
        "stream",
        "first epoch, cold disk, images/s",
        f"of `keras`, median [quartiles of {given.rounds} rounds]",
        "later epochs, images/s",
        "of `keras`",
    ]
    return table(header, rows)


def _augment_lines(folder: Path, given: argparse.Namespace) -> list[str]:
    from benchmarks.data_augmentations import make_augmentations

    train, size = folder / "made up" / "train", tuple(given.size)[::-1]
    files = sorted((train / "images").iterdir())[: given.batch]
    images = np.stack([np.asarray(Image.open(file).resize(size)) for file in files])
    masks = (Image.open(train / "masks" / f"{file.stem}.png") for file in files)
    labels = np.stack([np.asarray(mask.resize(size, Image.Resampling.NEAREST)) for mask in masks])

    def many(change: Callable[[], object]) -> None:
        for _ in range(_BATCHES):
            change()

    runs = {name: partial(timed, partial(many, change)) for name, change in make_augmentations(images, labels).items()}
    times = interleave(
        runs, reference="keras", rounds=given.rounds, log=lambda line: print(line, file=sys.stderr)
    )  # fmt: skip
    rows = []
    for name in runs:
        ratio = times.ratio(name)
        batch_ms = 1000 * times.median(name) / _BATCHES
        rows.append([f"`{name}`", f"{batch_ms:.1f}", f"{ratio.median:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"])
    return table(["augmentation", f"ms for {len(images)} images", "of `keras`, median [quartiles]"], rows)


def _timed_epoch(name: str, epoch: Callable[[], int], counts: dict[str, int]) -> float:
    begin_s = time.perf_counter()
    counts[name] = epoch()
    return time.perf_counter() - begin_s


def _rate(times: Timings, name: str, counts: Mapping[str, int]) -> list[str]:
    """Images a second, and how many times as many as the reference's."""
    ratio, share = times.ratio(name), counts[name] / counts[times.reference]
    spread = f"{share / ratio.median:.2f} [{share / ratio.high:.2f}, {share / ratio.low:.2f}]"
    return [f"{counts[name] / times.median(name):.0f}", spread]


def _check_lines(sets: Sequence[tuple[str, object, list[Path], list[Path]]], given: argparse.Namespace) -> list[str]:
    from fnmask.check.checking import check_source

    rows = []
    for name, source, images, masks in sets:
        files = [*((path, True) for path in images), *((path, source.mask_encoding == "colors") for path in masks)]
        # A pair is one task of the check: as many bytes in each chunk here.
        files = [file for pair in zip(files[: len(images)], files[len(images) :], strict=True) for file in pair]
        runs = {
            "decode": partial(timed, partial(_decode_all, files, given.workers)),
            "check": partial(timed, partial(check_source, source, n_workers=given.workers)),
        }
        times = interleave(
            runs, reference="decode", rounds=given.rounds, warmup=1, log=lambda line: print(line, file=sys.stderr)
        )
        ratio = times.ratio("check")
        decode_s, check_s = times.median("decode"), times.median("check")
        spread = f"{1 / ratio.median:.2f} [{1 / ratio.high:.2f}, {1 / ratio.low:.2f}]"
        met = "yes" if 1 / ratio.median >= _MOST_SHARE else "**no**"
        rows.append(
            [name, str(len(images)), f"{len(images) / decode_s:.0f}", f"{len(images) / check_s:.0f}", spread, met]
        )
    header = [
        "images and masks",
        "pairs",
        f"Pillow alone, {given.workers} processes, pairs/s",
        "the check, pairs/s",
        f"share, median [quartiles of {given.rounds} rounds]",
        f"wanted {_MOST_SHARE}",
    ]
    return table(header, rows)


def _decode_all(files: Sequence[tuple[Path, bool]], n_workers: int) -> int:
    chunk = max(1, min(_CHUNK, len(files) // (2 * 8 * n_workers)))
    with ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(_decode, files, chunksize=2 * chunk))


def _decode(file: tuple[Path, bool]) -> int:
    path, as_rgb = file
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB") if as_rgb else picture).shape[0]


def _sets(given: argparse.Namespace, folder: Path) -> Iterator[tuple[str, object, list[Path], list[Path]]]:
    """Name, source, images and masks of every set."""
    from fnmask.data.folder import Folder
    from fnmask.data.named.camvid import CamVid
    from fnmask.data.named.dubai import Dubai

    _write_aerial(folder, given.many)
    source = Folder(root=str(folder), classes=["land", "building", "road", "vegetation", "water"], void=[255])
    source.mask_encoding = "ids"
    yield (
        "made up, JPEG and PNG, 480 x 480",
        source,
        sorted(folder.glob("*/images/*")),
        sorted(folder.glob("*/masks/*")),
    )
    for name, kind, root in (("CamVid", CamVid, given.camvid), ("Dubai", Dubai, given.dubai)):
        if root is not None:
            known = kind(root=str(root))
            if not hasattr(known, "mask_encoding"):
                known.mask_encoding = "ids"
            yield name, known, sorted(root.glob("*/images/*")), sorted(root.glob("*/masks/*"))


def _write_aerial(folder: Path, count: int) -> None:
    """Pictures of four towns each, since large ones take long to paint."""
    from fnmask.data.aerial import Aerial

    towns = Aerial(n_train=_TOWNS, size_px=240)
    painted = [towns.load("train", index) for index in range(_TOWNS)]
    rng = np.random.default_rng(0)
    for split, number in (("train", count - 1), ("val", 1)):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
        for index in range(number):
            four = [painted[place] for place in rng.integers(0, _TOWNS, 4)]
            image, labels = (
                np.concatenate([np.concatenate([one[part] for one in pair], axis=1) for pair in (four[:2], four[2:])])
                for part in (0, 1)
            )
            Image.fromarray(image).save(folder / split / "images" / f"{index}.jpg", quality=92, subsampling=0)
            Image.fromarray(labels).save(folder / split / "masks" / f"{index}.png")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.data", description=__doc__)
    parser.add_argument("--camvid", type=Path, metavar="PATH", help="root of CamVid, where you have it")
    parser.add_argument("--dubai", type=Path, metavar="PATH", help="root of the Dubai set, where you have it")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar="PX", help="of the stream %(default)s")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="images of a batch (%(default)s)")
    parser.add_argument("--made-up", type=int, default=400, metavar="N", help="images of the stream (%(default)s)")
    parser.add_argument("--many", type=int, default=3000, metavar="N", help="images of the check (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
