"""The files around the package agree with each other."""

import re
import shutil
import subprocess
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import rga

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}


def wanted() -> dict[str, Requirement]:
    """All dependencies of pyproject.toml by name, the extras' too."""
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *extras["notebooks"], *extras["dev"], *extras["export"]]
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def test_conda_users_get_the_same_dependencies():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [Requirement(line) for line in environment["dependencies"] if isinstance(line, str)]
    specifiers = {CONDA_NAMES.get(r.name, canonicalize_name(r.name)): r.specifier for r in conda}
    assert specifiers.pop("python") == PROJECT["requires-python"]
    assert not specifiers.pop("pip")
    assert specifiers == {name: requirement.specifier for name, requirement in wanted().items()}
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}


def test_constraints_are_exact_and_satisfy_pyproject():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {}
    for line in lines:
        if not line.startswith("#"):
            name, version = re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups()
            pins[canonicalize_name(name)] = Version(version)
    for name, requirement in wanted().items():
        assert pins[name] in requirement.specifier, f"{name}: {pins[name]} is not {requirement.specifier}"
    assert not [name for name in pins if name.startswith(("nvidia", "cuda", "triton"))]


def test_constraints_can_be_installed_on_the_first_python_that_is_promised():
    """As far as the versions are installed here; Debian 12 has Python 3.11.2."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name, version in pins.items():
        with suppress(PackageNotFoundError):
            about = metadata(name)
            if about["Version"] == version:
                assert "3.11.0" in SpecifierSet(about["Requires-Python"] or ""), f"{name}=={version}"


def test_versions_and_licence_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == rga.__version__
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert citation["references"][0]["title"].startswith("Relation-Aware Global Attention")


def test_the_public_names_exist_and_are_sorted():
    assert rga.__all__ == sorted(rga.__all__)
    assert all(hasattr(rga, name) for name in rga.__all__)


@pytest.mark.parametrize("path", sorted((ROOT / "rga").rglob("*.py")), ids=lambda path: path.name)
def test_every_file_says_its_scope_in_one_line(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r'r?"""[^"].+[.?:]("""|\s\w.*)?', first), f"{path}: {first}"


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()) - {"help"}
    assert targets == set(re.findall(r'^\t@echo "make (\w+)', makefile, re.MULTILINE))
    assert {"train", "test", "lab", "bench", "check"} <= targets


def test_what_the_readmes_commands_write_is_not_committed():
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no clone")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    written = re.findall(r"--(?:out|sheet|json|index) (\S+)", readme)
    usual = ["found.png", "photos.index", "network.onnx", "network.pt2"]
    shown = ["results/ranked.png", "docs/a.png"]
    check = ["git", "check-ignore", "--no-index", *written, *usual, *shown]
    ignored = subprocess.run(check, cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert len(written) >= 3 and ignored == [*written, *usual]


def test_no_page_has_a_place_that_is_unfilled():
    for page in (*ROOT.glob("*.md"), *ROOT.glob("*/README.md")):
        assert not re.search(r"@\w+@", page.read_text(encoding="utf-8")), page
