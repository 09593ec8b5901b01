"""What the losses and metrics cost beside those of others: `python -m benchmarks.losses`.

A step is the loss and its gradient with respect to the logits. It is timed as the framework runs it by default (plain:
`tf.function`; on JAX a jitted function, on torch eager) and, on TensorFlow, compiled as a whole by XLA. All ratios are
to Keras' own cross-entropy in a plain step of the same run, see `benchmarks.timing`. torch and MONAI run in a process
of their own between the others' turns, see `benchmarks.worker`; their logits have the classes in the second axis, as
torch likes them. The first call, which traces and compiles, is reported apart; losses of one structure share what they
compile, so it is the first of them that pays. Memory is that of a step alone in a fresh process, see
`benchmarks.memory`.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contestants import STOCK, STOCK_DICE, Contestant, ours
from benchmarks.machine import describe_run
from benchmarks.metric_contestants import STOCK_METRICS, metric_contestants
from benchmarks.rivals import RECIPE, TORCH, rivals
from benchmarks.tables import NOTHING, mebibytes, spread, table, target
from benchmarks.timing import Ratio, Timings, interleave
from benchmarks.worker import Shape, Worker

SHAPES: list[Shape] = [(4, 360, 480, 12), (8, 512, 512, 19)]
QUICK_SHAPE: Shape = (2, 32, 48, 5)
ROUNDS = 15
PARTS = ("time", "memory", "metrics")
ENGINES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "keras on torch"}


def main(arguments: Sequence[str]) -> None:
    """Runs what is asked for, prints the tables, and writes them to a file if one is named."""
    given = _parse(arguments)
    engine = ENGINES[given.backend]
    chosen = [each for each in (*rivals(), *ours()) if _is_chosen(each.name, given.only)]
    with Worker(engine, QUICK_SHAPE) as worker:
        lines = describe_run("benchmarks.losses", arguments, **worker.ask("about"))
    print("\n".join(lines), flush=True)
    for shape in given.shapes:
        sections = []
        if "time" in given.parts:
            sections.append(("forward and backward", partial(_time_losses, engine, shape, chosen, given.rounds)))
        if "memory" in given.parts:
            sections.append(("peak memory", partial(_measure_memory, engine, shape, chosen)))
        if "metrics" in given.parts and given.backend == "tensorflow":
            sections.append(("metrics", partial(_time_metrics, engine, shape, given.only, given.rounds)))
        for title, run in sections:
            part = ["", f"### {', '.join(map(str, shape))}: {title}", "", *run()]
            print("\n".join(part), flush=True)
            lines += part
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")


def _parse(arguments: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser("python -m benchmarks.losses", description=__doc__)
    parser.add_argument("--shapes", nargs="+", type=_shape, metavar="B,H,W,C")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", action="append", metavar="NAME", help="rows whose name contains this; repeatable")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--backend", choices=ENGINES, default="tensorflow")
    parser.add_argument("--quick", action="store_true", help="a tiny shape: whether it runs, not how fast")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    given = parser.parse_args(arguments)
    given.shapes = given.shapes or ([QUICK_SHAPE] if given.quick else SHAPES)
    return given


def _shape(text: str) -> Shape:
    size, height, width, classes = map(int, text.split(","))
    return size, height, width, classes


def _is_chosen(name: str, only: Sequence[str] | None) -> bool:
    stock = (STOCK, STOCK_DICE, STOCK_METRICS)
    return only is None or name in stock or any(part.lower() in name.lower() for part in only)


def _log(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _time_losses(engine: str, shape: Shape, chosen: Sequence[Contestant], rounds: int) -> list[str]:
    with ExitStack() as processes:
        keras_worker = processes.enter_context(Worker(engine, shape))
        torch_worker = processes.enter_context(Worker("torch", shape))
        first_s: dict[str, float] = {}
        runs: dict[str, Callable[[], float]] = {}
        for each in chosen:
            worker = torch_worker if each.framework == "torch" else keras_worker
            is_compiled = engine == "tensorflow" and each.framework == "keras"
            for mode in ("plain", "whole") if is_compiled else ("plain",):
                request = {"name": each.name, "mode": mode}
                try:
                    key = _key(each.name, mode)
                    first_s[key] = worker.ask("run", **request)["seconds"]
                    runs[key] = partial(_seconds, worker, request)
                    _log(f"{key}: first call {first_s[key]:.2f} s")
                except ModuleNotFoundError as error:
                    _log(f"{each.name} is left out: {error}")
        timings = interleave(runs, reference=_key(STOCK), rounds=rounds, log=_log)
    rows = [_loss_row(each, timings, first_s) for each in chosen if _key(each.name) in runs]
    header = ["loss", "plain step", "ms", "target", "met", "compiled whole", "of recipe", "of torch", "first call s"]
    return table(header, rows)


def _loss_row(each: Contestant, timings: Timings, first_s: dict[str, float]) -> list[str]:
    def ratio(mode: str = "plain", of: str = STOCK) -> Ratio | None:
        key, other = _key(each.name, mode), _key(of)
        return timings.ratio(key, other) if key in timings.seconds and other in timings.seconds else None

    plain = ratio()
    of_stock = ratio(of=each.stock)
    assert plain is not None
    assert of_stock is not None
    against = "" if each.stock == STOCK else f" of {each.stock}"
    others = [NOTHING if of is None else f"{of.median:.2f}" for of in (ratio(of=RECIPE), ratio(of=TORCH))]
    milliseconds = f"{1e3 * timings.median(_key(each.name)):.1f}"
    met = target(each.most, of_stock, of=against)
    return [each.name, spread(plain), milliseconds, *met, spread(ratio("whole")), *others, _first(each, first_s)]


def _first(each: Contestant, first_s: dict[str, float]) -> str:
    return " / ".join(f"{first_s[key]:.1f}" for mode in ("plain", "whole") if (key := _key(each.name, mode)) in first_s)


def _measure_memory(engine: str, shape: Shape, chosen: Sequence[Contestant]) -> list[str]:
    rows = []
    for each in chosen:
        with Worker("torch" if each.framework == "torch" else engine, shape, frees_at_once=True) as worker:
            try:
                peak = worker.ask("peak", name=each.name, mode="plain")
            except ModuleNotFoundError as error:
                _log(f"{each.name} is left out: {error}")
                continue
        rows.append((each.name, peak["step_bytes"], peak["first_bytes"]))
        _log(f"{each.name}: {mebibytes(peak['step_bytes'])} MiB")
    stock = next(step for name, step, _ in rows if name == STOCK)
    logits = 4 * shape[0] * shape[1] * shape[2] * shape[3]
    cells = [
        [name, mebibytes(step), _share(step, stock), _share(step, logits), mebibytes(first)]
        for name, step, first in rows
    ]
    return table(["loss", "MiB of a plain step", "of stock", "of the logits", "MiB of the first call"], cells)


def _share(part: int | None, whole: int | None) -> str:
    return f"{part / whole:.2f}" if part is not None and whole else NOTHING


def _time_metrics(engine: str, shape: Shape, only: Sequence[str] | None, rounds: int) -> list[str]:
    chosen = [each for each in metric_contestants() if _is_chosen(each.name, only)]
    with Worker(engine, shape) as worker:
        requests = {each.name: {"name": each.name, "mode": "plain"} for each in chosen}
        first_s = {name: worker.ask("run", **request)["seconds"] for name, request in requests.items()}
        runs = {name: partial(_seconds, worker, request) for name, request in requests.items()}
        timings = interleave(runs, reference=STOCK_METRICS, rounds=rounds, log=_log)
    rows = []
    for each in chosen:
        ratio = timings.ratio(each.name)
        milliseconds = f"{1e3 * timings.median(each.name):.1f}"
        rows.append([each.name, spread(ratio), milliseconds, *target(each.most, ratio), f"{first_s[each.name]:.1f}"])
    return table(["metric, updated and read", "ratio", "ms", "target", "met", "first call s"], rows)


def _key(name: str, mode: str = "plain") -> str:
    return f"{name} | {mode}"


def _seconds(worker: Worker, request: dict[str, str]) -> float:
    seconds: float = worker.ask("run", **request)["seconds"]
    return seconds


if __name__ == "__main__":
    main(sys.argv[1:])
