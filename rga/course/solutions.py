"""A notebook's exercises start empty; their solutions are folded away in the text below. Put them in, or take them out.

An exercise is a code cell with a function or class that raises NotImplementedError. Its solution is a Python block that
defines the same name, in a markdown cell between <details><summary>Solution to N</summary> and </details>.
"""

import ast
import copy
import re

from nbformat import NotebookNode

FOLDED = re.compile(r"<details>\s*<summary>(Answer|Solution)[^<]*</summary>.*?</details>\n*", re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def stubs(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """{name: code cell} of the exercises, in their order."""
    return {
        node.name: cell
        for cell in notebook.cells
        if cell.cell_type == "code" and (node := _stub(cell.source))
    }


def solutions(notebook: NotebookNode) -> dict[str, str]:
    """{name: code} of the solutions that are folded away."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for folded in FOLDED.finditer(cell.source):
                for block in BLOCK.findall(folded[0]):
                    found |= {node.name: block for node in _definitions(block)}
    return found


def solve(notebook: NotebookNode) -> NotebookNode:
    """A copy in which every exercise is solved. Raises KeyError for one without a solution."""
    solved, known = copy.deepcopy(notebook), solutions(notebook)
    for name, cell in stubs(solved).items():
        node, lines = _stub(cell.source), cell.source.splitlines()
        cell.source = "\n".join(
            [*lines[: node.lineno - 1], known[name].rstrip("\n"), *lines[node.end_lineno :]]
        )
    return solved


def strip(notebook: NotebookNode) -> NotebookNode:
    """A copy to hand out: without solutions, answers and outputs."""
    handout = copy.deepcopy(notebook)
    for cell in handout.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = FOLDED.sub("", cell.source).rstrip("\n")
    handout.cells = [cell for cell in handout.cells if cell.source]
    return handout


def _definitions(source: str) -> list[ast.FunctionDef | ast.ClassDef]:
    return [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def _stub(source: str) -> ast.FunctionDef | ast.ClassDef | None:
    if "raise NotImplementedError" not in source:
        return None
    return next(
        node
        for node in _definitions(source)
        if any(
            isinstance(inner, ast.Raise) and "NotImplementedError" in ast.unparse(inner)
            for inner in ast.walk(node)
        )
    )
