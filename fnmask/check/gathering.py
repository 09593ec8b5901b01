"""Facts of all images of a data set, in processes of their own: decoding is most of it, and Python's lock no part."""

import multiprocessing
import os
import pickle
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from threading import Lock

from fnmask.check.facts import ImageFacts, measure
from fnmask.data.source import SPLITS, DataSource, Split

# Below this a second process takes longer to start than it saves.
FEW_IMAGES = 48
# Images that a process takes at once: few, so that all are done at the same time, but no more messages than needed.
_MOST_AT_ONCE, _TURNS = 8, 8

Task = tuple[Split, int]

_SOURCE: list[DataSource] = []


class WorkerDiedError(RuntimeError):
    """A process that read images was killed, most likely for its memory."""


def count_workers(n_images: int) -> int:
    """Processes that are worth starting for so many images: the cores of this process, or 1 for few images."""
    return 1 if n_images < FEW_IMAGES else len(os.sched_getaffinity(0))


def all_tasks(source: DataSource) -> list[Task]:
    """Every image of the set, by split and place."""
    return [(split, index) for split in SPLITS for index in range(len(source.ids(split)))]


def gather(
    source: DataSource, *, n_workers: int | None = None, on_image: Callable[[], None] = lambda: None
) -> list[ImageFacts]:
    """Facts of every image, in the order of `all_tasks`.

    Args:
        source: any data source; one that cannot be pickled is read in this process.
        n_workers: processes, of which this is one; None for what `count_workers` says, 1 for this one alone.
        on_image: called for each image that is done, in any thread.

    Raises:
        WorkerDiedError: a process was killed.
    """
    tasks = all_tasks(source)
    n_workers = count_workers(len(tasks)) if n_workers is None else n_workers
    if n_workers > 1 and _can_be_sent(source):
        return _share(source, tasks, n_workers, on_image)
    return _measure_all(source, tasks, on_image)


def _share(source: DataSource, tasks: list[Task], n_workers: int, on_image: Callable[[], None]) -> list[ImageFacts]:
    """The others need a while to start: this process begins at the end, and they take from the front what is left."""
    at_once = max(1, min(_MOST_AT_ONCE, len(tasks) // (_TURNS * n_workers)))
    parts = [tasks[start : start + at_once] for start in range(0, len(tasks), at_once)]
    left, sent, lock = deque(range(len(parts))), dict[int, "Future[list[ImageFacts]]"](), Lock()
    # A fork would copy threads and backends that the caller has running.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_workers - 1, context, initializer=_take_source, initargs=(source,))

    def send() -> None:
        with lock:
            if not left:
                return
            place = left.popleft()
            sent[place] = pool.submit(_measure_there, parts[place])
        sent[place].add_done_callback(go_on)

    def drop() -> None:
        with lock:
            left.clear()

    def go_on(done: "Future[list[ImageFacts]]") -> None:
        if done.exception() is not None:
            drop()
            return
        send()
        for _ in done.result():
            on_image()

    try:
        for _ in range(2 * (n_workers - 1)):  # the next part is there when one is done
            send()
        own: list[list[ImageFacts]] = []
        while True:
            with lock:
                if not left:
                    break
                place = left.pop()
            own.insert(0, _measure_all(source, parts[place], on_image))
        found = [sent[place].result() for place in sorted(sent)]
        return [facts for part in (*found, *own) for facts in part]
    except BrokenProcessPool:
        raise WorkerDiedError(
            "A process that read images was killed, most likely since one of them needs more memory than there "
            "is. Give --workers 1 to see which."
        ) from None
    finally:
        drop()
        pool.shutdown()


def _measure_all(source: DataSource, tasks: list[Task], on_image: Callable[[], None]) -> list[ImageFacts]:
    found = []
    for split, index in tasks:
        found.append(measure(source, split, index))
        on_image()
    return found


def _can_be_sent(source: DataSource) -> bool:
    try:
        pickle.dumps(source)
    except Exception:  # Python has several for it
        return False
    return True


def _take_source(source: DataSource) -> None:
    """In a worker: keep the source, so that it is sent once."""
    _SOURCE[:] = [source]


def _measure_there(tasks: list[Task]) -> list[ImageFacts]:
    return _measure_all(_SOURCE[0], tasks, lambda: None)
