"""Freed memory is used again, without page faults."""

import platform
import subprocess
import sys

import pytest

from rga.device.cpu_memory import keep_memory

SCRIPT = """
import resource
import torch
from rga.device.cpu_memory import keep_memory

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(64 * 2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

pages()
given_back = pages()
assert keep_memory()
pages()
print(given_back, pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is told to")
def test_pages_are_asked_for_once():
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    given_back, kept = map(int, done.stdout.split())
    assert kept * 10 < given_back


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_memory()
