"""How long a sweep will take: two training steps and one validation of its first trial."""

import time
from contextlib import closing
from dataclasses import dataclass

from fnmask.backend import load_backend
from fnmask.progress import format_duration
from fnmask.sweep.plan import Plan


@dataclass(frozen=True)
class Probe:
    """What a trial is made of, in seconds.

    Attributes:
        device: what it was measured on.
        compile_s: to read the data, trace and compile, before the first step is done.
        step_s: one training step.
        validation_s: one pass over the validation split.
        steps_per_epoch: of the first trial.
        epochs: of the first trial.
    """

    device: str
    compile_s: float
    step_s: float
    validation_s: float
    steps_per_epoch: int
    epochs: int

    @property
    def trial_s(self) -> float:
        """A whole trial, once compiled."""
        return self.epochs * (self.steps_per_epoch * self.step_s + self.validation_s)


def probe(plan: Plan) -> Probe:
    """Measure the trial with the first value of every choice: one step to compile, two to time."""
    device = load_backend()
    from fnmask.course import build_course
    from fnmask.fit import evaluate, steps_per_epoch, train_stream
    from fnmask.workbench import Workbench

    config, workbench = plan.base, Workbench(keeps=False)
    begin_s = time.monotonic()
    data = workbench.load(config)
    network = workbench.prepare(config)
    # An upper bound where the encoder is frozen: computing its features takes minutes, and belongs to the sweep.
    network.takes_features = False
    per_epoch = steps_per_epoch(config, data)
    course = build_course(config, data.counts, per_epoch)
    stream = train_stream(config, data)
    workbench.settle_jit(config, network, course, stream)
    with closing(stream.iterate()) as batches:
        network.train(batches, course, until=1)
        evaluate(config, network, data.val)
        compiled_s = time.monotonic()
        network.train(batches, course, until=3)
        network.end_epoch(3)
        stepped_s = time.monotonic()
    evaluate(config, network, data.val)
    validated_s = time.monotonic()
    return Probe(
        device=device,
        compile_s=compiled_s - begin_s,
        step_s=(stepped_s - compiled_s) / 2,
        validation_s=validated_s - stepped_s,
        steps_per_epoch=per_epoch,
        epochs=config.trainer.epochs,
    )


def describe_estimate(probed: Probe, n_trainings: int, *, n_workers: int) -> str:
    """The time of the whole sweep, and what it is made of."""
    total_s = n_trainings * probed.trial_s / n_workers + probed.compile_s
    workers = f"{n_workers} worker{'s' if n_workers > 1 else ''}"
    return (
        f"estimated time: {format_duration(total_s)} on {probed.device}, {workers}\n"
        f"  {n_trainings} trainings of {probed.trial_s:.1f} s: {probed.epochs} epochs of "
        f"{probed.steps_per_epoch} steps of {probed.step_s:.3f} s and a validation of {probed.validation_s:.2f} s\n"
        f"  {probed.compile_s:.0f} s to compile, once for each network and kind of loss\n"
        "  measured on the first trial of the space; other backbones take other times. Nothing was kept."
    )
