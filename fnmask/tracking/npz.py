"""Small `.npz` files read by the thousand: numpy's own reader takes 0.15 ms for a file of a kilobyte, this one a fifth.

Only what `np.savez_compressed` writes into a buffer: one deflated or stored member behind the other, sizes in their
headers. Anything else goes to numpy.
"""

import functools
import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<4s5H3I2H")
_SIZES_IN_EXTRA = 0xFFFFFFFF
_ZIP64 = struct.Struct("<2H2Q")
_SIZES_BEHIND = 0x08


def read_npz(content: bytes) -> Mapping[str, NDArray[Any]]:
    """The arrays of a file by name; no objects.

    Raises:
        ValueError: a damaged file, or one that holds objects.
        zipfile.BadZipFile: no such file.
    """
    found: dict[str, NDArray[Any]] = {}
    place = 0
    while content[place : place + 4] == b"PK\x03\x04" and place + _HEADER.size <= len(content):
        _, _, flags, method, _, _, checksum, size, _, n_name, n_extra = _HEADER.unpack_from(content, place)
        begin = place + _HEADER.size
        name = content[begin : begin + n_name].decode()
        if size == _SIZES_IN_EXTRA and n_extra >= _ZIP64.size:
            kind, _, _, size = _ZIP64.unpack_from(content, begin + n_name)
            size = size if kind == 1 else _SIZES_IN_EXTRA
        begin += n_name + n_extra
        if flags & _SIZES_BEHIND or method not in (0, 8) or begin + size > len(content):
            return _by_numpy(content)
        raw = content[begin : begin + size]
        array = _array(zlib.decompress(raw, -zlib.MAX_WBITS) if method else raw, checksum)
        if array is None:
            return _by_numpy(content)
        found[name.removesuffix(".npy")] = array
        place = begin + size
    return found or _by_numpy(content)


def _array(member: bytes, checksum: int) -> NDArray[Any] | None:
    """The array of an `.npy` member; None for one that numpy is to look at."""
    if member[:8] != b"\x93NUMPY\x01\x00" or zlib.crc32(member) != checksum:
        return None
    begin = 10 + int.from_bytes(member[8:10], "little")
    shape, is_fortran, dtype = _described(member[8:begin])
    if dtype.hasobject or is_fortran:
        return None
    return np.frombuffer(member, dtype, offset=begin, count=int(np.prod(shape))).reshape(shape).copy()


@functools.lru_cache(maxsize=1024)
def _described(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type from a header, which is the same in nearly all files of a sweep."""
    return np.lib.format.read_array_header_1_0(io.BytesIO(header))


def _by_numpy(content: bytes) -> Mapping[str, NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
