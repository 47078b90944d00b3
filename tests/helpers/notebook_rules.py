"""The rules of every notebook, each a function (path, notebook) -> complaints."""

import ast
import re
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path

import papermill
from nbformat import NotebookNode
from store_notebooks import WIDGET, normalise

from rga.course import solutions

LARGEST = 400 * 1024  # bytes of a notebook file
CHECKED_CELLS = 3  # nbval compares nothing but these
PREDICTIONS = 3
FOLDED = "<details><summary>"
NETWORK = re.compile(
    r"https?://|\bimport (urllib|requests|socket|httpx)|\bfrom (urllib|requests|httpx)|load_state_dict_from_url"
)
MACHINE = re.compile(r"(?<!\w)(/(home|root|work|tmp|Users|usr|var|opt)/|[A-Z]:\\)")


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def text(output: NotebookNode) -> str:
    return output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")


def first_cell(path: Path, notebook: NotebookNode) -> Iterator[str]:
    if not re.fullmatch(r"\d\d_[a-z_]+", path.stem):
        yield f"{path.stem}: named NN_topic"
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith(f"# {path.stem[:2]} · "):
        yield f"the first cell begins with the title, # {path.stem[:2]} · …"
        return
    for what, pattern in {
        "a promise in one bold sentence": r"^\*\*.+\*\*$",
        "a table: after this notebook you can, you need": r"\| After this notebook you can \| You need \|",
        "the time of the quick profile": r"\| `quick` \|.*(minute|second)",
        "the time of the full profile": r"^\| .*`full`",
        "links to the notebooks before and after": r"(Previous|Next): \[",
    }.items():
        if not re.search(pattern, first.source, re.MULTILINE):
            yield f"the first cell lacks {what}"


def parameters(path: Path, notebook: NotebookNode) -> Iterator[str]:
    tagged = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    second = notebook.cells[1]
    if tagged != [second]:
        yield "the second cell, and no other, is tagged parameters"
        return
    if second.source.startswith("# Parameters"):
        yield "the parameters begin as the cell that papermill injects"
    if 'profile: str = os.environ.get("RGA_PROFILE", "quick")' not in second.source:
        yield "profile is taken from RGA_PROFILE, else quick"
    for line in second.source.splitlines():
        if line and not re.fullmatch(r"import os|\w+: \w+ = [^#]+  # .+", line):
            yield f"a parameter has a type, a default and a comment: {line}"
    if path.exists():
        for name, parameter in papermill.inspect_notebook(str(path)).items():
            if parameter["inferred_type_name"] == "None" or not parameter["help"]:
                yield f"papermill sees no type or no comment of {name}"


def set_up(path: Path, notebook: NotebookNode) -> Iterator[str]:
    if "notebook.setup(" not in notebook.cells[2].source:
        yield "the third cell imports and sets up"


def short_cells(path: Path, notebook: NotebookNode) -> Iterator[str]:
    lines = [len(cell.source.splitlines()) for cell in code(notebook) if "parameters" not in tags(cell)]
    if max(lines) > 25:
        yield f"a cell of {max(lines)} lines: at most 25"
    if statistics.median(lines) > 7:
        yield f"the median cell has {statistics.median(lines)} lines: about 5"


def runnable(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for cell in code(notebook):
        if re.search(r"^\s*[!%]", cell.source, re.MULTILINE):
            yield f"shell or magic: {cell.source}"
            continue
        if re.search(r";\s*$", cell.source, re.MULTILINE):
            yield f"nbval ignores the semicolon: {cell.source}"
        if NETWORK.search(cell.source):
            yield f"needs a network: {cell.source}"
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield f"no Python: {error}"
        if "raises-exception" in tags(cell):
            yield "papermill ignores raises-exception: with notebook.expect(…)"


def predictions(path: Path, notebook: NotebookNode) -> Iterator[str]:
    cells = notebook.cells
    asked = [
        i for i, cell in enumerate(cells) if cell.cell_type == "markdown" and "**Predict.**" in cell.source
    ]
    if len(asked) < PREDICTIONS:
        yield f"{len(asked)} predictions: at least {PREDICTIONS}"
    for i, end in zip(asked, [*asked[1:], len(cells)], strict=False):
        question = cells[i].source.split("**Predict.**", 1)[1]
        if not all(f"- ({letter}) " in question for letter in "ab"):
            yield f"a prediction without options (a), (b): {question[:60]}"
        if "<summary>Answer" in question:
            yield f"the answer stands in the question's own cell: {question[:60]}"
        later = [cell for cell in cells[i + 1 : end + 1] if cell.cell_type == "markdown"]
        if not any(f"{FOLDED}Answer" in cell.source for cell in later):
            yield f"no folded answer before the next prediction: {question[:60]}"
        if not any(cell.cell_type == "code" for cell in cells[i + 1 : end]):
            yield f"no cell answers: {question[:60]}"


def exercises(path: Path, notebook: NotebookNode) -> Iterator[str]:
    stubs, solved = solutions.stubs(notebook), solutions.solutions(notebook)
    for name, cell in stubs.items():
        if name not in solved:
            yield f"exercise {name} has no folded solution"
        if "exercises.check" not in cell.source.splitlines()[-1]:
            yield f"exercise {name} does not end with its checker"
        if not "".join(map(text, cell.outputs)).startswith("not written yet: "):
            yield f"exercise {name} is stored solved"
    for cell in code(notebook):
        if "exercises.check" in cell.source and cell not in stubs.values():
            yield f"an exercise that is not empty: {cell.source[:60]}"


def the_end(path: Path, notebook: NotebookNode) -> Iterator[str]:
    whole, last = "\n".join(cell.source for cell in prose(notebook)), notebook.cells[-1]
    if "\n## Recap" not in whole:
        yield "no recap"
    if last.cell_type != "markdown" or "**Self-test.**" not in last.source:
        yield "the last cell holds no self-test"
    elif not re.search(r"(Previous|Next): \[", last.source):
        yield "the last cell links to no other notebook"


def stored(path: Path, notebook: NotebookNode) -> Iterator[str]:
    cells = code(notebook)
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        yield "not run from top to bottom: make store"
    if len({cell.id for cell in notebook.cells}) != len(notebook.cells):
        yield "two cells of one id"
    for output in (output for cell in cells for output in cell.outputs):
        yield from _output(output)
    if path.exists() and path.stat().st_size > LARGEST:
        yield f"{path.stat().st_size} bytes: at most {LARGEST}"
    try:
        if normalise(notebook) != notebook:
            yield "not in normal form: make store"
    except ValueError as error:
        yield str(error)


def _output(output: NotebookNode) -> Iterator[str]:
    if output.output_type == "error":
        yield f"an error is stored: {output.ename}"
        return
    if output.get("name") == "stderr":
        yield "stderr is stored"
    data = output.get("data", {})
    if kinds := set(data) & {WIDGET, "image/jpeg", "image/svg+xml"}:
        yield f"stored as {kinds}"
    words = text(output) + "".join(str(data[kind]) for kind in data if kind.startswith("text/"))
    if MACHINE.search(words):
        yield f"a path of this machine in: {words}"


def compared(path: Path, notebook: NotebookNode) -> Iterator[str]:
    checked = [cell for cell in code(notebook) if "nbval-check-output" in tags(cell)]
    if len(checked) < CHECKED_CELLS:
        yield f"nbval compares {len(checked)} cells: at least {CHECKED_CELLS}"
    for cell in checked:
        if not any(text(output) for output in cell.outputs):
            yield f"no text to compare: {cell.source}"
    for cell in code(notebook):
        if "NBVAL_" in cell.source:
            yield "a comment for nbval in a cell that students read: use the tag"


def links(path: Path, notebook: NotebookNode) -> Iterator[str]:
    for cell in prose(notebook):
        for target in re.findall(r"\]\(([^)\s]+)\)", cell.source):
            if not re.match(r"https?://|#|attachment:", target):
                if not (path.parent / target.split("#")[0]).exists():
                    yield f"broken link: {target}"


RULES = {
    rule.__name__: rule
    for rule in (
        first_cell, parameters, set_up, short_cells, runnable, predictions, exercises, the_end, stored, compared, links,
    )
}  # fmt: skip


def complaints(path: Path, notebook: NotebookNode, rules: Iterable[str] = RULES) -> list[str]:
    return [f"{name}: {said}" for name in rules for said in RULES[name](path, notebook)]
