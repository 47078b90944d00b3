"""The deliberate breaks (try_breaks.py) still have a place in today's code, and their outcome is on record."""

import json
import re

import pytest
from try_breaks import BREAKS, broken

from rga.io.paths import ROOT

RECORD = json.loads((ROOT / "results" / "deliberate_breaks.json").read_text(encoding="utf-8"))["breaks"]


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.name)
def test_its_place_is_there_once_and_its_tests_too(each):
    whole = (ROOT / "rga" / each.file).read_text(encoding="utf-8")
    compile(changed := broken(whole, each), each.file, "exec")
    assert changed != whole
    for test in each.tests.split():
        file, _, function = test.partition("::")
        assert f"def {function}" in (ROOT / "tests" / file).read_text(encoding="utf-8")


def test_a_break_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="found it 2 times: rewrite this break"):
        broken(2 * BREAKS[0].old, BREAKS[0])


def test_all_of_them_were_caught():
    """In the last run of the script; the tests that caught them are there."""
    assert [row["break"] for row in RECORD] == [each.name for each in BREAKS]
    for row in RECORD:
        file, test = re.fullmatch(r"([\w/]+\.py)::(\w+).*", row["caught_by"]).groups()
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), row["break"]
