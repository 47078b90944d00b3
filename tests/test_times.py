"""Stated times are measured ones: the map, the README and each notebook's first cell agree with the file."""

import json
import re

import nbformat
import pytest
from store_map import PAGE, exercises, minutes, page, reading_minutes, said
from store_notebooks import FOLDER
from time_notebooks import FILE, measure, too_slow

from rga.io.paths import ROOT

TIMES = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
NUMBERS = {"half a": 0.5, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
AMOUNT = re.compile(rf"({'|'.join(NUMBERS)}|\d*[½.]?\d*) (second|minute|hour)s?\b")
IN_MINUTES = {"second": 1 / 60, "minute": 1, "hour": 60}


def stated(text):
    """The first time in a text, in minutes."""
    number, unit = AMOUNT.search(text).groups()
    return (NUMBERS.get(number) or float(number.replace("½", ".5"))) * IN_MINUTES[unit]


def agrees(text, seconds):
    """To rounding: half a minute above two minutes, a quarter below."""
    return abs(stated(text) - seconds / 60) <= (0.5 if seconds > 105 else 0.26)


def last_column(text, pattern):
    row = re.search(rf"^\|.*{pattern}.*\|$", text, re.MULTILINE)[0]
    return row.strip("| ").split("|")[-1]


def test_every_notebook_is_measured():
    assert sorted(TIMES["seconds"]) == NAMES
    assert {"device", "threads", "time"} <= TIMES["provenance"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_and_the_notebook_say_the_measured_time(name):
    seconds = TIMES["seconds"][name]
    readme = last_column(
        (ROOT / "README.md").read_text(encoding="utf-8"), re.escape(f"notebooks/{name}.ipynb")
    )
    head = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells[0].source
    quick = last_column(head, r"`quick`")
    assert agrees(readme, seconds), f"README.md says{readme}, measured: {seconds:.0f} s"
    assert agrees(quick, seconds), f"{name} says{quick}, measured: {seconds:.0f} s"


def test_the_first_picture_appears_within_minutes_of_cloning():
    assert TIMES["first_picture"]["01_dataset"] <= 5 * 60


def test_the_map_is_the_written_one():
    assert PAGE.read_text(encoding="utf-8") == page(), "python tests/store_map.py"


def test_the_sections_that_the_map_names_exist():
    named = re.findall(
        r"\(([\w./]+\.ipynb)\)[,:] ((?:\*[^*]+\*(?:,| and)? ?)+)", PAGE.read_text(encoding="utf-8")
    )
    assert len(named) >= 6
    for path, sections in named:
        cells = nbformat.read(FOLDER / path, as_version=4).cells
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for section in re.findall(r"\*([^*]+)\*", sections):
            assert re.search(rf"^#+ .*{re.escape(section)}$", prose, re.MULTILINE), f"{path}: {section}"


@pytest.mark.parametrize(
    ("text", "number"),
    [("about 3 minutes, one of them", 3), ("half a minute; 1½ without", 0.5), ("1½ minutes", 1.5)]
    + [("four minutes (and one more)", 4), ("a minute", 1), ("20 seconds", 1 / 3)],
)
def test_times_are_read_as_people_write_them(text, number):
    assert stated(text) == number


@pytest.mark.parametrize(("seconds", "text"), [(10, "half a minute"), (58, "1 minute"), (95, "1½ minutes")])
def test_times_are_rounded_as_people_say_them(seconds, text):
    assert said(minutes(seconds)) == text and agrees(text, max(seconds, 15))


def test_a_notebook_is_measured_up_to_its_first_picture_and_its_end(tmp_path):
    cells = ["1", "display({'image/png': 'iVBORw0KGgo='}, raw=True)", "import time; time.sleep(0.3)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "01.ipynb")
    seconds, picture = measure(tmp_path / "01.ipynb")
    assert 0 < picture < seconds - 0.25


def test_twice_the_stated_time_is_too_slow():
    assert too_slow({"01": 60, "02": 60}, {"01": 119, "02": 121}) == ["02: 121 s, stated 60 s"]


def test_what_is_folded_away_is_not_reading_time():
    folded = "<details><summary>Answer</summary>\n" + "word " * 9000 + "</details>"
    cell = nbformat.v4.new_markdown_cell("**Exercise 1 (easy, 10 minutes).** " + "word " * 1000 + folded)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert (reading_minutes(notebook), exercises(notebook)) == (10, [10])
