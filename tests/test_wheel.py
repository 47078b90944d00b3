"""The wheel: holds the package and nothing else, and works where there is no clone."""

import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from helpers.elsewhere import python

import rga
from rga import data

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = "--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"


def pip(*arguments):
    subprocess.run([sys.executable, "-I", "-m", "pip", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the clone: setuptools leaves its traces there, and finds none of an older build."""
    clone, built = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("wheel")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, clone)
    for name in ("rga", "tests", "bench", "notebooks"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    pip("wheel", clone, "--no-build-isolation", "--wheel-dir", built, *OFFLINE)
    (wheel,) = built.iterdir()
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    pip("install", wheel, "--target", folder, *OFFLINE)
    return folder


def test_holds_the_package_and_nothing_else(wheel):
    names = [Path(name) for name in ZipFile(wheel).namelist()]
    package = {path.relative_to(ROOT) for path in (ROOT / "rga").rglob("*") if path.is_file()}
    assert {name for name in names if name.parts[0] == "rga"} == {
        path for path in package if "__pycache__" not in path.parts
    }
    assert Path("rga/plot/explorer.html") in names
    assert {name.parts[0] for name in names} == {"rga", f"rga-{rga.__version__}.dist-info"}
    assert wheel.name == f"rga-{rga.__version__}-py3-none-any.whl"


def test_says_what_it_is(installed):
    (about,) = (Distribution.at(path) for path in installed.glob("*.dist-info"))
    assert (about.metadata["Name"], about.version) == ("rga", rga.__version__)
    assert about.metadata["License-Expression"] == "MIT"
    assert set(about.metadata.get_all("Provides-Extra")) == {
        "notebooks",
        "dev",
        "export",
        "site",
        "tensorboard",
        "timm",
        "search",
    }
    assert any(str(path).endswith("licenses/LICENSE") for path in about.files)
    assert about.metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_works_where_there_is_no_clone(installed, tmp_path):
    code = """
import runpy, torch
import rga
from rga.models import create_model
model = create_model("resnet18", "rga_sc", num_pids=3, size=(64, 32)).eval()
print(rga.__file__)
print(tuple(model(torch.rand(2, 3, 64, 32)).embedding.shape))
pictures = torch.randint(0, 256, (1, 3, 64, 32), dtype=torch.uint8)
print(len(str(rga.plot.explorer(model, pictures))) > 10_000)
sys.argv = ["rga", "list"]
runpy.run_module("rga", run_name="__main__")
"""
    where, shape, page, *listed = python(tmp_path, code, installed).splitlines()
    assert Path(where) == installed / "rga" / "__init__.py"
    assert (shape, page) == ("(2, 512)", "True")
    assert [line.split()[0] for line in listed[::2]] == list(data.DATASETS)
    assert not list(tmp_path.iterdir())
