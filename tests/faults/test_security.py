"""What SECURITY.md promises: no code out of a file, no shell, nothing written outside, a notebook server for one."""

import ast
import inspect
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import jupyter_server.serverapp
import torch
from helpers.small_network import network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rga.data import archive
from rga.io.paths import ROOT
from rga.plot import explorer

FILES = [*(ROOT / "rga").rglob("*.py"), *(ROOT / "bench").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
FILES += [ROOT / "hubconf.py", *(ROOT / "docs").rglob("*.py")]
# Bytes of a process that this same program has started: no file, and nothing of a user's.
OWN_BYTES = {"rga/drawn_people/release.py", "tests/helpers/processes.py", "tests/data/test_loaders.py"}


def calls():
    """(file, dotted name, call) of every call in the project's code."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path.relative_to(ROOT).as_posix(), ast.unparse(node.func), node


CALLS = list(calls())


def keyword(call, name):
    """The text of an argument given by name, None if it is not."""
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), None)


def test_no_file_is_unpickled():
    """torch.load with weights_only, numpy.load without pickle (its default), no other reader that runs code."""
    loads = [
        (file, call)
        for file, name, call in CALLS
        if name in ("torch.load", "torch.hub.load_state_dict_from_url")
    ]
    assert {file for file, _ in loads} >= {"rga/models/weights_files.py"}
    assert [file for file, call in loads if keyword(call, "weights_only") != "True"] == []
    assert [file for file, _, call in CALLS if keyword(call, "allow_pickle") not in (None, "False")] == []
    unpickling = {
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "dill.load",
        "joblib.load",
        "marshal.loads",
    }
    unpickling |= {"torch.jit.load", "yaml.load", "yaml.unsafe_load", "shelve.open", "pandas.read_pickle"}
    assert {file for file, name, _ in CALLS if name in unpickling} == OWN_BYTES


def test_torchs_own_reader_of_imagenet_weights_is_safe():
    """torchvision calls it with a hash that is checked, of a file that was downloaded."""
    default = inspect.signature(torch.load).parameters["weights_only"].default
    assert default in (None, True)  # None: True since PyTorch 2.6
    assert tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)


def test_no_command_goes_through_a_shell():
    assert [file for file, _, call in CALLS if keyword(call, "shell") not in (None, "False")] == []
    shells = {
        "os.system",
        "os.popen",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "commands.getoutput",
    }
    assert [file for file, name, _ in CALLS if name in shells] == []
    runs = [
        (file, call)
        for file, name, call in CALLS
        if re.fullmatch(r"(subprocess\.)?(run|Popen|check_output|check_call|call)", name) and name != "run"
    ]
    assert len(runs) > 5
    assert [
        file for file, call in runs if call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ] == []


def test_only_weights_that_are_asked_for_are_fetched():
    connecting = (
        r"^\s*(?:import|from) (socket|ssl|requests|http|httpx|urllib\.request|ftplib|smtplib|asyncio)\b"
    )
    package = [path for path in FILES if path.is_relative_to(ROOT / "rga") or path.name == "hubconf.py"]
    found = [
        path.name for path in package if re.search(connecting, path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(package) > 100 and found == []
    fetching = {
        "get_state_dict",
        "load_state_dict_from_url",
        "download_url_to_file",
        "urlopen",
        "urlretrieve",
    }
    files = {
        file
        for file, name, _ in CALLS
        if name.rpartition(".")[2] in fetching and file.startswith(("rga/", "hub"))
    }
    assert files == {"rga/models/imagenet.py"}


def test_code_is_run_from_text_in_the_course_only():
    """Exercises that are handed in, in a process that is shut in."""
    found = {
        file for file, name, _ in CALLS if name in ("exec", "eval", "compile") and file.startswith("rga/")
    }
    assert found <= {"rga/course/exercise_runner.py", "rga/course/solutions.py"}


def test_archives_are_unpacked_in_one_place():
    names = ("extractall", "extract", "unpack_archive")
    found = {
        file
        for file, name, _ in CALLS
        if name.rpartition(".")[2] in names and file.startswith(("rga/", "hub"))
    }
    assert found - {"rga/data/cuhk03/reader.py", "rga/data/cuhk03/extraction.py"} == {"rga/data/archive.py"}


SEPARATORS = st.sampled_from(
    ["/", "\\", "..", ".", "C:", "~", "\x00", " ", "a", "é", "\n", "$(x)", "con", "-"]
)


@settings(max_examples=150, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SEPARATORS, min_size=1, max_size=8).map("".join))
def test_whatever_a_member_is_called_nothing_is_written_outside(tmp_path_factory, name):
    place = tmp_path_factory.mktemp("here")
    with zipfile.ZipFile(place / "set.zip", "w") as file:
        info = zipfile.ZipInfo("a")
        info.filename = name
        file.writestr(info, b"1")
    try:
        archive.unpack(place / "set.zip", place / "set")
    except ValueError as error:
        assert "set.zip" in str(error) and not (place / "set").exists()
    below = {path.relative_to(place).parts[0] for path in place.rglob("*")}
    assert below <= {"set.zip", "set"}
    assert not {"a", "é"} & {path.name for path in place.parent.iterdir()}


def tags(page):
    """Every tag of a page with the names of its attributes, in order."""
    found, parser = [], HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, [name for name, _ in attributes]))
    parser.feed(str(page))
    return found


EVIL = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=x>',
    "<!--",
    "]]>",
]


def test_names_are_text_in_the_explorer():
    """Of people, files and networks: they add no tag and no attribute."""
    model, images = network(), torch.zeros(2, 3, 64, 32)
    plain = tags(explorer({"a": model}, images, ["a", "b"], cells=(4, 2), channels=2))
    assert len(plain) > 20
    for name in EVIL:
        assert tags(explorer({name: model}, images, [name, "b"], cells=(4, 2), channels=2)) == plain


def test_jupyterlab_listens_to_this_machine_only_and_asks_for_its_token():
    """`make lab` leaves both as Jupyter has them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    lab = "\n".join(
        line for line in makefile.splitlines() if line.startswith("LAB ") or "jupyter lab" in line
    )
    options = re.findall(r"--[\w.-]+", lab)
    assert set(options) == {
        "--ServerApp.root_dir",
        "--LabApp.app_settings_dir",
        "--LabApp.default_url",
        "--allow-root",
    }
    settings = [path.read_text(encoding="utf-8") for path in (ROOT / ".jupyterlab").iterdir()]
    assert not re.search(r"token|password|allow_origin|\bip\b", makefile + "".join(settings))
    app = jupyter_server.serverapp.ServerApp()
    assert app.ip in ("localhost", "127.0.0.1") and not app.allow_remote_access
    assert len(app.identity_provider_class().token) >= 32


def test_the_policy_names_what_is_not_promised():
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for heading in ("## Promised", "## Not promised", "## Report", "## Dependencies"):
        assert heading in policy
    assert "@" not in policy  # no address is made up
    for path in re.findall(r"`((?:rga|tests|docs)/[\w./]+)`", policy):
        assert Path(ROOT, path).exists(), path
