"""The files around the package agree with each other."""

import re
import shlex
import shutil
import subprocess
import tomllib
from contextlib import chdir, suppress
from functools import wraps
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import rga
from rga.__main__ import COMMANDS, main
from rga.data import Splits
from rga.runs.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}


def wanted() -> dict[str, Requirement]:
    """All dependencies of pyproject.toml by name, the extras' too."""
    extras = PROJECT["optional-dependencies"]
    lines = [
        *PROJECT["dependencies"],
        *extras["notebooks"],
        *extras["dev"],
        *extras["export"],
        *extras["site"],
    ]
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
    """The changelog begins with what is not released yet; below it stands this version, once there is a release."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, *released = re.findall(r"^## (.+)", changes, re.MULTILINE)
    assert unreleased == "[Unreleased]"
    assert not released or re.fullmatch(rf"\[{re.escape(rga.__version__)}\] - \d{{4}}-\d\d-\d\d", released[0])
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == rga.__version__
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert citation["references"][0]["title"].startswith("Relation-Aware Global Attention")


@pytest.mark.parametrize("path", sorted((ROOT / "rga").rglob("*.py")), ids=lambda path: path.name)
def test_every_file_says_its_scope_in_one_line(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r'r?"""[^"].+[.?:]("""|\s\w.*)?', first), f"{path}: {first}"


def test_make_help_names_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()) - {"help"}
    assert targets == set(re.findall(r'^\t@echo "make ([\w-]+)', makefile, re.MULTILINE))
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


FOLDERS = "rga|tests|bench|docs|results|notebooks"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/api/*.md"), ROOT / "data/README.md"]
PAGES += [ROOT / name / "README.md" for name in FOLDERS.split("|") if (ROOT / name / "README.md").exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    paths = re.findall(rf"[ `]((?:{FOLDERS})/[\w./]*\w)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing + [path for path in paths if not (ROOT / path).exists()]
    assert not re.search(r"@\w+@", text)


def test_no_table_stands_on_two_pages():
    heads = [
        line
        for page in PAGES
        for line in re.findall(r"^(\|.*\|)\n\|-", page.read_text(encoding="utf-8"), re.MULTILINE)
        if line.count("|") > 4
    ]
    assert len(heads) == len(set(heads))


def test_the_options_that_docs_training_explains_exist():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    foreign = {"signal", "requeue", "shutdown_timeout", "like"}  # of Slurm and torchrun; no setting
    named = {name.replace("-", "_") for name in re.findall(r"`--([a-z-]+)", page)}
    assert named - foreign <= Recipe.__dataclass_fields__.keys()


def test_the_commands_on_the_pages_are_understood(monkeypatch):
    ran = []
    for name in COMMANDS:
        module = import_module(f"rga.commands.{name}")
        monkeypatch.setattr(module, "run", wraps(module.run)(lambda args: ran.append(args) or 0))
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES).replace("\\\n", "")
    commands = re.findall(r"^(?: {4}.*)?(?:python|torchrun.*) -m rga (\w.*)$", text, re.MULTILINE)
    for command in commands:
        assert main(shlex.split(command, comments=True)) == 0, command
    assert len(ran) == len(commands) > 15


def test_the_readmes_python_runs(samples, tmp_path, monkeypatch):
    """As written, but on four people for one epoch."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    fit, less = rga.fit, {"epochs": 1, "p": 2, "k": 2}
    monkeypatch.setattr(rga, "fit", lambda *values, **options: fit(*values, **options | less))
    people = Splits("four people", samples, samples, samples)
    monkeypatch.setattr(rga.data, "load", lambda name: people)
    names = {}
    with chdir(tmp_path):
        for code in re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL):
            exec(code, names)
    written = {path.name for path in (tmp_path / "runs" / "mine").iterdir()}
    assert written == {"checkpoint.pt", "explorer.html"}
    assert names["gates"] and names["embedding"].shape[0] == 4


def test_the_workflow_runs_make_test_and_may_only_read():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test"]
    assert workflow["permissions"] == {"contents": "read"}
    assert PROJECT["requires-python"] == f">={job['strategy']['matrix']['python'][0]}"


def test_pre_commit_runs_the_pinned_tools():
    """Those of .venv, so that no version is stated twice."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    tools = [hook["entry"].split()[0] for hook in repository["hooks"]]
    assert tools == [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/python"]
