"""MATLAB's MAT-files of version 5 to 7, as far as CUHK03's protocols need them: columns of numbers and of texts.

`scipy.io.loadmat` reads much more, but it trusts the file: one wrong byte, a type code outside its table, ends the
process by a segmentation fault. Here nothing that the file says is used before it is checked, and no size in it is
memory that is asked for. Format: MAT-File Format, The MathWorks, chapter 1.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LARGEST = 2**26  # bytes, of the file and of what is packed in it; the real protocols have 76 KB and 1 MB
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "ascii", 2: "ascii", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELL, CHAR, NUMERIC = 1, 4, range(6, 16)  # classes of arrays


def read_columns(path: Path) -> dict[str, list]:
    """{name: its values in order, whole numbers or texts} of the arrays in a file; others than such are left out.

    Raises ValueError, or another error of Python's for broken bytes, never a crash. Memory: a few LARGEST.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has {path.stat().st_size:,} bytes, more than {LARGEST:,}")
    data = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise ValueError("it is no MAT-file of version 5 to 7")
    columns = {}
    for kind, content in _elements(data[128:], order):
        if kind == COMPRESSED:
            ((kind, content),) = _elements(_inflated(content), order)
        if kind == MATRIX:
            name, values = _array(content, order)
            columns |= {} if values is None else {name: values}
    return columns


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(type, content) of the elements that follow each other in some bytes."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        start, end = at + 8, at + 8 + size + (-size % 8 if kind != COMPRESSED else 0)
        if kind >> 16:  # a small element: type, size and content in eight bytes
            kind, size, start, end = kind & 0xFFFF, min(kind >> 16, 4), at + 4, at + 8
        if start + size > len(data):
            raise ValueError(f"{size:,} bytes are announced where {len(data) - start:,} are left")
        yield kind, data[start : start + size]
        at = end


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(content, LARGEST)
    if not inflater.eof:
        raise ValueError(f"packed data are cut short, or have more than {LARGEST:,} bytes")
    return data


def _array(content: bytes, order: str) -> tuple[str, list | str | None]:
    """Name and values of an array: a list for numbers and for a cell of texts, a text for letters, None for others."""
    (_, flags), (_, shape), (_, name), *values = _elements(content, order)
    kind = struct.unpack_from(order + "I", flags)[0] & 0xFF
    count = math.prod(np.frombuffer(shape, order + "i4").tolist())
    found = None
    if kind == CELL:
        found = [_array(cell, order)[1] for _, cell in values]
        if not all(isinstance(text, str) for text in found):
            return name.decode(), None
    elif kind == CHAR:
        ((code, letters),) = values
        found = letters.decode(
            TEXTS[code] + {"<": "-le", ">": "-be"}[order] * (TEXTS[code] in ("utf-16", "utf-32"))
        )
    elif kind in NUMERIC:
        ((code, numbers),) = values  # complex ones have two
        numbers = np.frombuffer(numbers, order + NUMBERS[code])
        found = numbers.astype(np.int64).tolist()
        if found != numbers.tolist():
            raise ValueError(f"{name.decode()} has numbers that are not whole")
    if found is not None and len(found) != count:
        raise ValueError(f"{name.decode()} has {len(found)} values, and {count} are announced")
    return name.decode(), found
