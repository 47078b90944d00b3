"""docs/faults.md agrees with the tests: those that it names exist, those of this folder are in it, counts are right."""

import ast
import re
from collections import Counter
from pathlib import Path

from rga.io.paths import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\w+) \| (.+) \| (.+) \| (\S+\.py)::(\w+) \|$", PAGE, re.MULTILINE)


SUMMARY = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\w+) \|$", PAGE, re.MULTILINE)


def functions_of(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"
    }


def test_every_test_that_the_page_names_exists():
    heads = 2
    assert len(ROWS) + len(SUMMARY) + heads == PAGE.count("\n| ") > 80  # every row is understood
    for _, fault, _, file, name in ROWS:
        assert name in functions_of(ROOT / "tests" / file), f"{fault}: {file}::{name}"


def test_every_test_of_a_fault_is_on_the_page():
    named = {(file, name) for _, _, _, file, name in ROWS}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.name != Path(__file__).name:
            assert functions_of(path) <= {name for file, name in named if file == f"faults/{path.name}"}, (
                path.name
            )


def test_the_counts_are_those_of_the_table():
    kinds = Counter(kind for kind, *_ in ROWS)
    expected = [(kind, str(n), str(n), "none") for kind, n in kinds.items()]
    assert SUMMARY == [*expected, ("all", str(len(ROWS)), str(len(ROWS)), "none")]
