"""Small files, read as numpy reads them."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fnmask.tracking import npz
from fnmask.tracking.npz import read_npz


def saved(save=np.savez_compressed, **own):
    buffer = io.BytesIO()
    save(buffer, **own)
    return buffer.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    counts=arrays(st.sampled_from([np.int64, np.int32, np.float64, np.uint8]), array_shapes(min_dims=0, min_side=0)),
    names=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), max_size=5),
    save=st.sampled_from([np.savez, np.savez_compressed]),
)
def test_it_reads_what_numpy_reads(counts, names, save):
    content = saved(save, counts=counts, names=np.array(names, dtype=np.str_))
    own = read_npz(content)
    with np.load(io.BytesIO(content)) as other:
        assert list(own) == list(other)
        for name in other:
            assert own[name].dtype == other[name].dtype
            np.testing.assert_array_equal(own[name], other[name])


def test_it_needs_no_help_of_numpy_for_what_numpy_writes(monkeypatch):
    monkeypatch.setattr(npz, "_by_numpy", lambda content: pytest.fail("asked numpy"))
    read = read_npz(saved(matrices=np.arange(8).reshape(2, 2, 2), ids=np.array(["a", "bc"])))
    assert read["matrices"].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert read["ids"].tolist() == ["a", "bc"]
    read["matrices"] += 1  # it is nobody else's


def test_odd_files_go_to_numpy():
    turned = np.asfortranarray(np.arange(6).reshape(2, 3))
    assert read_npz(saved(counts=turned))["counts"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ValueError, match="allow_pickle"):
        read_npz(saved(objects=np.array([{}], dtype=object)))
    with pytest.raises(Exception, match="pickle"):
        read_npz(b"nothing")


def test_a_damaged_file_is_no_array():
    content = bytearray(saved(np.savez, counts=np.arange(100)))
    content[400] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        read_npz(bytes(content))
