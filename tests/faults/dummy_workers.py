"""A sweep whose trials sleep: begins it, forks workers, and ends with the sweep's exit code.

python tests/faults/dummy_workers.py ROOT STORAGE N_TRIALS N_WORKERS EPOCH_S
"""

import os
import sys
from pathlib import Path

# Two folders up is the checkout.
sys.path.insert(0, str(Path(__file__).parents[2]))

# Imported before any fork, and opening nothing.
import fnmask.open_store
import fnmask.sweep.worker  # noqa: F401
from benchmarks.dummy import DummyTrial, begin_dummy, compose, words_of, work
from fnmask.sweep.begin import join
from fnmask.sweep.join import close_if_last
from fnmask.sweep.plan import make_plan
from fnmask.sweep.sweeper import EXIT_CODES


def main() -> None:
    root, storage = Path(sys.argv[1]), sys.argv[2]
    n_trials, n_workers, epoch_s = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    words = words_of(root, storage, n_trials)

    def be_worker(index: int) -> int:
        _, composer = compose(words)
        begun = join(make_plan(composer, words, with_options=False), composer)
        verdict = work(words, DummyTrial(epoch_s), index=index, begun=begun)
        close_if_last(begun)
        return EXIT_CODES[verdict]

    def start_sweep() -> int:
        begin_dummy(words)
        return 0

    codes = [wait(fork(start_sweep))]
    codes += [wait(pid) for pid in [fork(lambda index=index: be_worker(index)) for index in range(n_workers)]]
    sys.exit(max(codes))


def fork(action) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = action()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
