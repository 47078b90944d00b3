"""Write the table of notebooks/README.md, the map: titles, reading time, exercises, measured times."""

import json
import re
from pathlib import Path

import nbformat
from store_notebooks import FOLDER
from time_notebooks import FILE

from rga.course.solutions import FOLDED

PAGE = FOLDER / "README.md"
START = "<!-- Written by tests/store_map.py from the notebooks and results/notebook_times.json -->\n"
END = "<!-- end -->"
WORDS, LINES = 100, 10  # read in a minute: prose, code
EXERCISE = re.compile(r"\*\*Exercise \d+ \(\w+, (\d+) minutes\)")


def minutes(seconds: float) -> float:
    """Rounded as people say it: to half minutes below two, else to whole ones; at least half a minute."""
    return max(0.5, round(seconds / 30) / 2) if seconds < 105 else float(round(seconds / 60))


def reading_minutes(notebook: nbformat.NotebookNode) -> float:
    """Of prose without what is folded away, and of code; to five minutes."""
    prose = " ".join(FOLDED.sub("", cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    code = [line for cell in notebook.cells if cell.cell_type == "code" for line in cell.source.splitlines()]
    return 5 * round((len(prose.split()) / WORDS + len(code) / LINES) / 5)


def exercises(notebook: nbformat.NotebookNode) -> list[int]:
    """The minutes of each."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return [int(found) for found in EXERCISE.findall(prose)]


def table() -> str:
    times = json.loads(FILE.read_text(encoding="utf-8"))
    rows = ["| | Notebook | Runs in | Reading | Exercises |", "|---|---|---|---|---|"]
    together = [0.0, 0, 0]
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        number, title = notebook.cells[0].source.splitlines()[0].removeprefix("# ").split(" · ")
        runs, reads, tasks = times["seconds"][path.stem], reading_minutes(notebook), exercises(notebook)
        together = [a + b for a, b in zip(together, [runs, reads, sum(tasks)], strict=True)]
        rows.append(
            f"| {number} | [{title}]({path.name}) | {said(minutes(runs))} | {reads} minutes "
            f"| {len(tasks)}, {sum(tasks)} minutes |"
        )
    runs, reads, tasks = together
    rows.append(f"| | together | {said(minutes(runs))} | {hours(reads)} | {hours(tasks)} |")
    return "\n".join(rows) + f"\n\n{_measured(times)}\n"


def _measured(times: dict) -> str:
    made = times["provenance"]
    words = f"on {made['device']}, {made['cpus']} cores, {made['threads']} threads, {made['time'][:10]}"
    words = f"Measured {words}, one after the other in a fresh clone, nothing drawn or trained before"
    if "provisional" in times:
        words = "Not measured yet (`make times`): what the notebooks say"
    picture = times["first_picture"]["01_dataset"]
    return (
        f"{words}. The first picture of 01 appears after {picture:.0f} seconds. "
        f"Reading: {WORDS} words or {LINES} lines of code a minute."
    )


def said(number: float) -> str:
    if number == 0.5:
        return "half a minute"
    return f"{number:g} minute{'s' * (number != 1)}".replace(".5", "½")


def hours(total: float) -> str:
    return f"{total / 60:.1f} hours"


def page() -> str:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    return before + START + "\n" + table() + "\n" + END + rest.partition(END)[2]


def main(path: Path = PAGE) -> None:
    path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
