"""Files as an accident or an attacker leaves them, and a process of limited memory that reads them."""

import os
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import torch
from helpers.processes import CONTEXT

# Random changes of each file, in `make test`; RGA_FUZZ=10000 looks longer.
FLIPS = int(os.environ.get("RGA_FUZZ", 60))
MEMORY = 2 * 2**30  # bytes that reading may take, beyond what the process has before
SECONDS = 5  # that reading one file may take; a tenth of it is usual on a busy machine


def broken(whole: bytes, flips: int = FLIPS) -> Iterator[tuple[str, bytes]]:
    """(what was done, content): cut at every power of two, other first bytes, bytes that are drawn anew."""
    cuts = [0, *(2**n for n in range(len(whole).bit_length()) if 2**n < len(whole)), len(whole) - 1]
    yield from ((f"the first {length} bytes", whole[:length]) for length in cuts)
    yield "another magic number", b"<html>" + whole[6:]
    yield "twice", whole + whole
    draw = random.Random(0)
    for number in range(flips):
        content = bytearray(whole)
        for _ in range(draw.choice((1, 1, 4, 32))):
            # Headers and tables stand at the ends, and decide more than what lies between.
            reach = min(len(whole), draw.choice((128, 1024, len(whole))))
            content[draw.choice((draw.randrange(reach), -1 - draw.randrange(reach)))] = draw.randrange(256)
        yield f"random bytes {number}", bytes(content)


def read_broken(read, path, named=True) -> list[str]:
    """What went wrong while `read` read the file at `path` broken in every way: nothing, if all is well.

    It may succeed, where the format has no checksum. Else a ValueError or OSError is expected, with the path in it.
    """
    whole, wrong = path.read_bytes(), []
    read(path)  # it can be read when it is whole
    for what, content in broken(whole):
        path.write_bytes(content)
        began = time.monotonic()
        try:
            read(path)
        except (ValueError, OSError) as error:
            if named and str(path) not in str(error):
                wrong.append(f"{what}: {error!r} does not name the file")
        except Exception as error:
            wrong.append(f"{what}: {error!r}")
        if time.monotonic() - began > SECONDS:
            wrong.append(f"{what}: {time.monotonic() - began:.1f} s")
    path.unlink()
    path.mkdir()
    try:
        read(path)
        wrong.append("a folder in its place: no error")
    except (ValueError, OSError) as error:
        if named and str(path) not in str(error):
            wrong.append(f"a folder in its place: {error!r} does not name the file")
    except Exception as error:
        wrong.append(f"a folder in its place: {error!r}")
    return wrong


@contextmanager
def limited() -> Iterator[ProcessPoolExecutor]:
    """A process with limited memory. A crash in it is concurrent.futures' BrokenProcessPool, not pytest's end."""
    pool = ProcessPoolExecutor(1, CONTEXT, initializer=_limit)
    try:
        yield pool
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False)


def _limit():
    import resource

    torch.set_num_threads(1)
    with open("/proc/self/statm") as file:
        now = int(re.match(r"\d+", file.read())[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
