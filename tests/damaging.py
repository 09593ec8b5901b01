"""Bytes and JSON, damaged in the ways that find what a reader forgot; a function of a seed."""

import copy
import struct
import zlib

import numpy as np

EXTREMES = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x01",
    b"\x80\x00\x00\x00",
    b"\xff\xff\x00\x00",
)
# What texts break at.
WORDS = (
    *(b"", b"null", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'"', b"\\", b"\x00", b"\xef\xbb\xbf", b"9" * 40, b"true"),
    *(b"#FFFFFF", b"train", b"../..", b",", b";", b":", b"\n", b"\r\n", b"[[[[", b"&x;", b"<a", b"0.5", b"\xc3", b"- "),
)


def damaged(content: bytes, other: bytes, generator: np.random.Generator, *, is_text: bool) -> bytes:
    """A content with one to four damages.

    Args:
        content: of a file that is whole.
        other: of another one, whose parts may be mixed in.
        generator: decides.
        is_text: whether words are put in; else numbers.
    """
    # Half of them with one: the more, the earlier a reader gives up.
    for _ in range(min(4, generator.geometric(0.5))):
        size = len(content)
        first = int(generator.integers(0, max(1, size)))
        last = min(size, first + int(generator.integers(1, 9)))
        kind = generator.integers(0, 6)
        if kind == 0:  # other bytes
            content = content[:first] + generator.bytes(last - first) + content[last:]
        elif kind == 1:  # a bit
            flipped = bytes(byte ^ (1 << int(generator.integers(8))) for byte in content[first : first + 1])
            content = content[:first] + flipped + content[first + 1 :]
        elif kind == 2:  # the end is missing
            content = content[: max(1, first)] if generator.random() < 0.3 else content[:first] + content[last:]
        elif kind == 3:  # what tends to break
            strange = (WORDS if is_text else EXTREMES)[int(generator.integers(len(WORDS if is_text else EXTREMES)))]
            content = content[:first] + strange + content[last if is_text else first + len(strange) :]
        elif kind == 4:  # twice
            content = content[:last] + content[first:last] * int(generator.integers(1, 4)) + content[last:]
        else:  # of another file
            start = int(generator.integers(0, max(1, len(other))))
            content = content[:first] + other[start : start + int(generator.integers(1, 40))] + content[last:]
    return content


PNG = b"\x89PNG\r\n\x1a\n"


def with_checksums(content: bytes) -> bytes:
    """A PNG file whose checksums are right again, so that the damage is found by what decodes it, if at all."""
    told, place = PNG, len(PNG)
    while content.startswith(PNG) and place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunk = content[place + 4 : place + 8 + length]
        told += struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk))
        place += 12 + length
    return told if content.startswith(PNG) else content


VALUES = (
    *(
        None,
        True,
        False,
        0,
        -1,
        3,
        2**40,
        10**400,
        1.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "a",
        "b",
        "0",
        "a.png",
    ),
    *([], {}, [[]], [None], [1, 2], [1.0, "2"], {"a": 1}, [[1, 2], [3, 4], [5, 6]], {"size": [6, 8], "counts": [48]}),
)


def reshaped(content, generator):
    """JSON with one to three values replaced, removed, repeated or moved."""
    content = copy.deepcopy(content)
    for _ in range(generator.integers(1, 4)):
        places = list(_places(content))
        inside, key = places[int(generator.integers(len(places)))]
        kind = generator.integers(0, 4)
        if kind == 0:
            del inside[key]
        elif kind == 1 and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[key]))
        elif kind == 2:
            elsewhere, other = places[int(generator.integers(len(places)))]
            inside[key] = (
                copy.deepcopy(elsewhere[other]) if other in range(len(elsewhere)) or other in elsewhere else None
            )
        else:
            inside[key] = copy.deepcopy(VALUES[int(generator.integers(len(VALUES)))])
        if not list(_places(content)):
            break
    return content


def _places(content):
    """Every container with each of its keys."""
    keys = content.keys() if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in list(keys):
        yield content, key
        yield from _places(content[key])
