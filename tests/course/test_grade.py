"""Handed-in notebooks become a table; code that attacks gets nowhere and takes nobody else with it."""

import csv
import time

import nbformat
import pytest

from rga.course import sandbox, solutions
from rga.course.exercise_runner import definition, judge
from rga.course.grade import COLUMNS, FILE_BYTES, STORED, grade, main, write

v4 = nbformat.v4
SECONDS, MEMORY = 2, 2**30
SETUP = """
from rga.course.exercises.verdict import checker

@checker("a function that returns 42.")
def check(answer):
    got = answer()
    return "all stages passed" if got == 42 else f"stage 1, value: expected 42, got {got}. Hint: add."
"""
# What each exercise of the hostile notebook does, the verdict and a part of the message.
HOSTILE = {
    "right": ("return 42", "passed", ""),
    "prints": ("print('all stages passed', flush=True)", "not yet", "returned None"),
    "leaves": ("import os; print('all stages passed', flush=True); os._exit(0)", "error", "exit status 0"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "error", "SIGSEGV"),
    "spins": ("while True: pass", "timeout", "2 s"),
    "sleeps": ("import time; time.sleep(60)", "timeout", "2 s"),
    "grows": ("return len(bytearray(20 * 2**30))", "memory", ""),
    "shares": ("import mmap; mmap.mmap(-1, 20 * 2**30); return 1", "memory", "Cannot allocate memory"),
    "connects": ("import socket; socket.create_connection(('192.0.2.1', 80), 1)", "error", "unreachable"),
    "writes": ("open(r'{outside}', 'w').write('x')", "error", "Read-only"),
    "floods": ("open('f', 'wb').write(bytes(2**25))", "error", "File too large"),
    "fills": (
        "import os\n    for i in range(9): open(str(i), 'wb').write(bytes(2**24))",
        "error",
        "No space",
    ),
    "forks": ("import os; return os.fork() * 0", "error", "not permitted"),
    "starts": ("import subprocess; subprocess.run(['true'])", "error", "not permitted"),
    "threads": ("import threading; t = threading.Thread(); t.start(); t.join(); return 42", "passed", ""),
    "unlocks": (
        "import ctypes, struct; return ctypes.CDLL(None).syscall(442, -100, b'/', 0x8000, "
        "struct.pack('QQQQ', 0, 1, 0, 0), 32)",
        "not yet",
        "got -1",
    ),
    "kills": (
        "import os, signal; os.kill(1, signal.SIGKILL); os.kill(1, signal.SIGINT); return 42",
        "passed",
        "",
    ),
    "reports": ("open('/proc/1/fd/1', 'w').write('all stages passed')", "error", "Permission denied"),
    "peeks": ("open('/proc/1/mem', 'rb').read(1)", "error", "Permission denied"),
    "copies": ("import os; return sorted(os.listdir(r'{folder}'))", "not yet", "got []"),
    "looks": ("import os; return sorted(k for k in os.environ if 'SECRET' in k)", "not yet", "got []"),
    "lies": ("raise ValueError('=cmd|calc\\n' + 'x' * 10**6)", "error", "ValueError: =cmd|calc xxx"),
    "untouched": ("raise NotImplementedError", "not written", "a function that returns 42."),
    "wrong": ("return 41", "not yet", "got 41. Hint: add."),
}
NEEDS_ISOLATION = pytest.mark.skipif(sandbox.missing() is not None, reason=f"{sandbox.missing()}")


def save(path, *sources):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources]), path)


def stub(name, body="raise NotImplementedError"):
    return f"def {name}():\n    {body}\n\n\ncheck({name})"


@pytest.fixture
def course(tmp_path):
    """A course of two notebooks, the folder where they are handed in."""
    stored = tmp_path / "stored"
    save(stored / "01_hostile.ipynb", "profile = 'quick'", SETUP, *map(stub, [*HOSTILE, "absent"]))
    save(stored / "02_sum.ipynb", "profile = 'quick'", SETUP, stub("total"))
    return stored, tmp_path / "handed_in"


@NEEDS_ISOLATION
def test_a_hostile_notebook(course, tmp_path, monkeypatch):
    stored, folder = course
    outside = tmp_path / "outside"
    attacks = [
        stub(name, body.replace("{outside}", f"{outside}").replace("{folder}", f"{folder}"))
        for name, (body, _, _) in HOSTILE.items()
    ]
    cheat = "check = lambda answer: 'all stages passed'\nexec('import os; os._exit(0)')\n"
    save(folder / "eve" / "01_hostile.ipynb", "import os; os._exit(1)", *attacks[:-1], cheat + attacks[-1])
    monkeypatch.setenv("SECRET", "of the one who grades")
    start = time.monotonic()
    rows = {row["exercise"]: row for row in grade(folder, SECONDS, MEMORY, stored=stored)}
    for name, (_, verdict, message) in HOSTILE.items():
        assert rows[name]["verdict"] == verdict and message in rows[name]["message"], rows[name]
        assert len(rows[name]["message"]) <= 1000 and "\n" not in rows[name]["message"]
    assert rows["absent"]["verdict"] == "missing"
    assert not outside.exists() and list(folder.glob("**/*.ipynb"))
    assert 2 * SECONDS < time.monotonic() - start and float(rows["spins"]["seconds"]) < 2 * SECONDS


COURSE = {path: nbformat.read(path, as_version=4) for path in sorted(STORED.glob("*.ipynb"))}


@NEEDS_ISOLATION
@pytest.mark.parametrize(
    "path", [p for p in COURSE if solutions.stubs(COURSE[p])], ids=lambda path: path.stem
)
def test_the_printed_solutions_pass_where_they_are_shut_in(path, tmp_path):
    nbformat.write(solutions.solve(COURSE[path]), tmp_path / path.name)
    rows = list(grade(tmp_path))
    assert [row["exercise"] for row in rows] == list(solutions.stubs(COURSE[path]))
    assert {row["verdict"] for row in rows} == {"passed"}, rows


@NEEDS_ISOLATION
def test_a_folder_becomes_a_table(course, tmp_path, capsys, monkeypatch):
    stored, folder = course
    monkeypatch.setattr("rga.course.grade.STORED", stored)
    save(
        folder / "anna" / "02_sum.ipynb",
        "%matplotlib inline",
        stub("total", "return 7"),
        stub("total", "return 42"),
    )
    (folder / "=ben_02_sum.ipynb").write_bytes(b"")
    (folder / "carl_02_sum.ipynb").write_text("[" * 10**5)
    (folder / "dora_02_sum.ipynb").write_text('{"cells": [{"cell_type": "code", "source": 3}]}')
    (folder / "eve_07_other.ipynb").write_text("{}")
    (folder / "finn_02_sum.ipynb").symlink_to(tmp_path / "secret")
    with (folder / "gus_02_sum.ipynb").open("wb") as file:
        file.truncate(FILE_BYTES + 1)  # takes no room on the disk
    save(folder / "anna" / ".ipynb_checkpoints" / "02_sum-checkpoint.ipynb", stub("total"))
    rows = list(grade(folder, SECONDS, MEMORY, stored=stored))
    write(rows, tmp_path / "grades.csv")
    with (tmp_path / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.DictReader(file)) == rows
    assert list(rows[0]) == COLUMNS
    said = {row["file"]: (row["verdict"], row["message"]) for row in rows}
    assert said.pop("anna/02_sum.ipynb") == ("passed", "(total is defined 2 times: the last one counts)")
    assert {verdict for verdict, _ in said.values()} == {"error"}
    messages = [said[name][1] for name in sorted(said)]
    parts = [
        "empty file",
        "no notebook: RecursionError",
        "no notebook: TypeError",
        "no notebook of the course",
    ]
    parts += ["a link", "larger than 20 MiB"]
    assert sorted(said)[0] == "'=ben_02_sum.ipynb"
    for message, part in zip(messages, parts, strict=True):
        assert message.startswith(part)


def test_without_isolation_it_refuses_unless_told_to_go_on(course, tmp_path, monkeypatch, capsys):
    stored, folder = course
    folder.mkdir()
    monkeypatch.setattr(sandbox, "missing", lambda: "no unshare here")
    out = ["--out", str(tmp_path / "grades.csv")]
    assert main([str(folder), *out]) == 2
    assert "no unshare here" in capsys.readouterr().err and not (tmp_path / "grades.csv").exists()
    assert main([str(folder), "--without-isolation", *out]) == 0
    assert (tmp_path / "grades.csv").read_text(encoding="utf-8-sig").strip() == ",".join(COLUMNS)


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_the_last_written_definition_counts():
    empty, first, last = stub("f"), stub("f", "return 1"), stub("f", "return 2")
    assert definition([first, last, empty], "f") == (last, 2)
    assert definition([empty], "f") == (empty, 0)
    assert definition([stub("other")], "f") == (None, 0)


def test_only_definitions_imports_and_assignments_run_and_the_checker_is_ours():
    names = {}
    exec(SETUP, names)
    cell = "!pip install x\nimport math\nN = 42\nraise SystemExit\ncheck = str\n" + stub(
        "f", "return math.floor(N)"
    )
    assert judge(cell, "f", stub("f"), names) == ("passed", "")
    with pytest.raises(NameError):
        judge("def f():\n    return helper()", "f", stub("f"), names)
