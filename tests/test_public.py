"""What the package promises by name is there, and importing it is quiet and needs no notebook."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import rga

WITH_ALL = ["rga", "rga.data", "rga.data.synthetic", "rga.metrics", "rga.models"]


@pytest.mark.parametrize("name", WITH_ALL)
def test_all_is_there(name):
    module = importlib.import_module(name)
    assert all(hasattr(module, public) for public in module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)


def test_every_file_says_its_scope_in_one_sentence():
    for found in pkgutil.walk_packages(rga.__path__, "rga."):
        first = importlib.import_module(found.name).__doc__.splitlines()[0]
        assert first.endswith((".", "?")), f"{found.name}: {first}"


def test_importing_is_quiet_and_does_without_jupyter():
    code = "import sys, rga; print([m for m in ('IPython', 'papermill', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
