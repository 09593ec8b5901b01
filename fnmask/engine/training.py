"""A training that is under way: epoch by epoch, without the steps that another trial has taken already."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from types import TracebackType

from fnmask.data.pipeline import Batch, TrainStream
from fnmask.engine.network import Network
from fnmask.engine.prefixes import Prefix, PrefixStore
from fnmask.engine.readings import Epoch, Evaluation
from fnmask.engine.schedule import Course


class Training:
    """Takes the steps of one trial. A context: leaving it stops the threads that prepare batches, and frees locks.

    Args:
        network: at its first step.
        course: which loss counts when.
        stream: of the training batches.
        evaluate: measures the network as it is.
        steps_per_epoch: steps of an epoch.
        on_batch: called before every step, and while another worker is waited for; what it raises ends the training.

    """

    def __init__(
        self,
        network: Network,
        course: Course,
        stream: TrainStream,
        evaluate: Callable[[], Evaluation],
        *,
        steps_per_epoch: int,
        on_batch: Callable[[], None],
    ) -> None:
        self._network, self._course, self._stream, self._evaluate = network, course, stream, evaluate
        self.steps_per_epoch, self._on_batch = steps_per_epoch, on_batch
        self._prefixes: PrefixStore | None = None
        self._kept: Mapping[int, str] = {}
        self._batches: Iterator[Batch] | None = None
        self._open, self._lock = ExitStack(), ExitStack()
        self._epochs: list[Epoch] = []
        self._shared_steps = 0
        self._steps_s = self._waited_s = self._evaluation_s = 0.0

    def share(self, prefixes: PrefixStore, keys: Mapping[int, str], *, kept: Mapping[int, str]) -> None:
        """Go on from the longest beginning that another trial has left, and leave one's own.

        Args:
            prefixes: where they are kept.
            keys: of the beginnings of this training, by their number of steps.
            kept: those that are left for others. The shortest one is computed by one worker; others wait for it.
        """
        self._prefixes, self._kept = prefixes, kept
        self._resume(prefixes, keys)
        first = min(kept, default=0)
        if self._network.steps_done < first:
            self._lock.enter_context(prefixes.computing(kept[first], self._on_batch))
            # Whoever held the lock before has left it.
            self._resume(prefixes, {steps: key for steps, key in keys.items() if steps > self._network.steps_done})
            if self._network.steps_done >= first:
                self._lock.close()

    def epoch(self, number: int, *, masked: bool) -> Epoch:
        """The epoch, counted from 1; the ones before it are done.

        Args:
            number: of the epoch.
            masked: False takes its steps without the mask.

        Raises:
            NonFiniteLoss: see `Network.end_epoch`.
        """
        if number <= len(self._epochs):
            return self._epochs[number - 1]
        end = number * self.steps_per_epoch
        for stop in sorted({*self._kept, end}):
            if self._network.steps_done < stop <= end:
                self._take(stop, masked=masked)
                if stop < end:
                    self._keep(stop)
        begin_s = time.perf_counter()
        training = self._network.end_epoch(self.steps_per_epoch)
        read_s = time.perf_counter()
        self._steps_s += read_s - begin_s  # the device may still have been at work
        epoch = Epoch(training, self._evaluate())
        # Of many epochs predictions would be many images; only the last are asked for.
        self._epochs.append(replace(epoch, evaluation=replace(epoch.evaluation, class_ids=None)))
        self._evaluation_s += time.perf_counter() - read_s
        self._keep(end)
        return epoch

    def costs(self) -> dict[str, float]:
        """What the training took so far.

        Returns:
            `engine/steps`: steps of the training so far; `engine/shared_steps`: those of them that another trial had
            taken; `engine/steps_s`: seconds in the others; `engine/waited_frac`: share of those seconds in which the
            batch was not ready; `engine/evaluation_s`: seconds in evaluations.
        """
        return {
            "engine/steps": float(self._network.steps_done),
            "engine/shared_steps": float(self._shared_steps),
            "engine/steps_s": self._steps_s,
            "engine/waited_frac": self._waited_s / self._steps_s if self._steps_s else 0.0,
            "engine/evaluation_s": self._evaluation_s,
        }

    def __enter__(self) -> "Training":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()
        self._open.close()

    def _take(self, stop: int, *, masked: bool) -> None:
        if self._batches is None:
            self._batches = self._open.enter_context(closing(self._watch(self._network.steps_done)))
        begin_s = time.perf_counter()
        self._network.train(self._batches, self._course, until=stop, masked=masked)
        self._steps_s += time.perf_counter() - begin_s

    def _watch(self, first: int) -> Generator[Batch, None, None]:
        with closing(self._stream.iterate(first)) as batches:
            while True:
                self._on_batch()
                begin_s = time.perf_counter()
                batch = next(batches)
                self._waited_s += time.perf_counter() - begin_s
                yield batch

    def _resume(self, prefixes: PrefixStore, keys: Mapping[int, str]) -> None:
        found = prefixes.find(keys)
        if found is not None:
            self._network.restore(found.state)
            self._epochs = list(found.epochs)
            self._shared_steps = found.state.steps

    def _keep(self, stop: int) -> None:
        """Leave this beginning for others, if it is one of those."""
        if self._prefixes is None or stop not in self._kept:
            return
        prefix = Prefix(self._network.capture(), tuple(self._epochs))
        if stop == min(self._kept):
            self._prefixes.save(self._kept[stop], prefix)
            self._lock.close()  # whoever waits finds it now
        else:
            self._prefixes.save_later(self._kept[stop], prefix)
