import os
import resource
import threading

import numpy as np
import pytest
from problems import assert_same_state

from fnmask.engine.prefixes import Prefix, PrefixStore
from fnmask.engine.readings import Epoch, EpochTraining, Evaluation
from fnmask.engine.state import State


def prefix(steps=3, size=4, seed=0):
    rng = np.random.default_rng(seed)
    model = (rng.normal(size=(size, 2)).astype(np.float32), np.array([7, 9], np.uint32))
    state = State(steps, model, (np.array(0.5),), tuple(rng.normal(size=3).astype(np.float32)[:, None]))
    matrices = rng.integers(0, 9, (2, 3, 3))
    return Prefix(
        state, (Epoch(EpochTraining(0.1 + 0.2, model[0][0], model[0][1]), Evaluation(matrices, float("nan"))),)
    )


def test_what_is_kept_comes_back_bit_by_bit(tmp_path):
    store = PrefixStore(tmp_path / "new" / "folder", 10**6)
    assert store.find({3: "aa"}) is None
    for seed in range(12):  # more variables than one digit counts
        store.save("aa", prefix(seed=seed))
    many = Prefix(State(5, tuple(np.full(1, n) for n in range(12)), (), ()), ())
    store.save("bb", many)
    found = store.find({3: "aa"})
    assert_same_state(found.state, prefix(seed=11).state)
    assert [array.dtype for array in found.state.model] == [np.float32, np.uint32]
    (epoch,), (expected,) = found.epochs, prefix(seed=11).epochs
    assert epoch.training.loss == 0.1 + 0.2
    np.testing.assert_array_equal(epoch.training.removed, expected.training.removed)
    np.testing.assert_array_equal(epoch.training.labelled, expected.training.labelled)
    assert np.isnan(epoch.evaluation.loss_base)
    np.testing.assert_array_equal(epoch.evaluation.matrices, expected.evaluation.matrices)
    assert_same_state(store.find({5: "bb"}).state, many.state)


def test_what_is_being_kept_is_found(tmp_path):
    store = PrefixStore(tmp_path, 10**9)
    for steps in range(1, 6):
        store.save_later(f"of {steps}", prefix(steps, size=100_000))
    assert store.find({steps: f"of {steps}" for steps in range(1, 6)}).state.steps == 5


def test_the_longest_one_is_found(tmp_path):
    store = PrefixStore(tmp_path, 10**6)
    store.save("short", prefix(3))
    store.save("long", prefix(8))
    keys = {2: "none", 3: "short", 8: "long", 9: "neither"}
    assert store.find(keys).state.steps == 8
    assert store.find({2: "none", 3: "short"}).state.steps == 3


def test_what_was_used_longest_ago_makes_room(tmp_path):
    store = PrefixStore(tmp_path, 10**9)
    store.save("a", prefix(size=1000))
    size = (tmp_path / "a.steps").stat().st_size
    store = PrefixStore(tmp_path, int(2.5 * size))
    for age, key in enumerate(("a", "b")):
        store.save(key, prefix(size=1000))
        os.utime(tmp_path / f"{key}.steps", (1000 + age, 1000 + age))
    store.find({3: "a"})
    store.save("c", prefix(size=1000))
    assert {path.stem for path in tmp_path.glob("*.steps")} == {"a", "c"}
    store.save("d", prefix(size=10_000))
    assert not list(tmp_path.glob("*.steps")), "too large for the folder"


@pytest.mark.parametrize("content", [b"", b"no line of ours", b"{}\n", b"7\n1", None])
def test_a_file_that_cannot_be_read_is_removed(tmp_path, content, caplog):
    store = PrefixStore(tmp_path, 10**6)
    store.save("aa", prefix())
    path = tmp_path / "aa.steps"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    assert store.find({3: "aa"}) is None
    assert "its steps are taken again" in caplog.text
    assert not path.exists()


def test_a_damaged_file_is_removed(tmp_path, caplog):
    store = PrefixStore(tmp_path, 10**6)
    store.save("aa", prefix(size=100))
    path = tmp_path / "aa.steps"
    path.write_bytes(path.read_bytes()[:-200] + bytes(200))
    assert store.find({3: "aa"}) is None
    assert "(damaged)" in caplog.text
    assert not path.exists()


def test_a_file_that_cannot_be_opened_now_is_left(tmp_path, monkeypatch, caplog):
    store = PrefixStore(tmp_path, 10**6)
    store.save("aa", prefix())

    def refuse(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("fnmask.engine.prefixes._read", refuse)
        assert store.find({3: "aa"}) is None
    assert "its steps are taken again" in caplog.text
    assert store.find({3: "aa"}).state.steps == 3


def test_an_error_in_the_background_costs_no_trial(tmp_path, monkeypatch, caplog):
    store = PrefixStore(tmp_path, 10**6)

    def fail(*_):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(store, "save", fail)
    store.save_later("aa", prefix())
    assert store.find({3: "aa"}) is None
    assert "unforeseen" in caplog.text


def test_what_killed_workers_left_is_removed(tmp_path):
    store = PrefixStore(tmp_path, 10**6)
    old, new = tmp_path / ".old.tmp", tmp_path / ".new.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    store.save("aa", prefix())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_full_disk_costs_no_trial(tmp_path, caplog):
    store = PrefixStore(tmp_path, 10**6)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        store.save("aa", prefix(size=100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "The first 3 steps could not be kept for other trials" in caplog.text
    assert not list(tmp_path.iterdir()), "nor is half a file left"


def test_what_others_left_is_found_where_nothing_may_be_changed(tmp_path, monkeypatch):
    store = PrefixStore(tmp_path, 10**6)
    store.save("aa", prefix())

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("fnmask.engine.prefixes.os.utime", refuse)
    assert store.find({3: "aa"}).state.steps == 3
    assert (tmp_path / "aa.steps").exists()


def test_one_computes_while_others_wait(tmp_path):
    store, order = PrefixStore(tmp_path, 10**6), []
    began, may_end = threading.Event(), threading.Event()

    def compute():
        with store.computing("aa", lambda: None):
            began.set()
            may_end.wait(10)
            order.append("computed")

    thread = threading.Thread(target=compute)
    thread.start()
    began.wait(10)
    with store.computing("bb", lambda: pytest.fail("another prefix is free")):
        pass

    def wait():
        order.append("waited")
        may_end.set()

    with store.computing("aa", wait):
        order.append("had it")
    thread.join()
    assert order[0] == "waited"
    assert order[-2:] == ["computed", "had it"]


def test_waiting_ends_with_what_the_caller_raises(tmp_path):
    store = PrefixStore(tmp_path, 10**6)

    def stop():
        raise KeyboardInterrupt

    with store.computing("aa", lambda: None), pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with PrefixStore(tmp_path, 10**6).computing("aa", stop):
            pass


def test_without_a_place_for_the_lock_the_steps_are_taken_here(tmp_path, caplog):
    (tmp_path / "file").touch()
    with PrefixStore(tmp_path / "file", 10**6).computing("aa", lambda: None):
        pass
    assert "Steps cannot be shared" in caplog.text
