"""Write what the package promises: docs/api/public_names.json, and the tables of names on the pages of docs/api/.

The keys of that file are the public modules. A new one: add `"rga.new": {}` there, `<!-- names: rga.new -->` and
`<!-- end -->` to a page, and run this.
"""

import argparse
import ast
import enum
import importlib
import inspect
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import torch
from store_notebooks import FOLDER as NOTEBOOKS

from rga import models, runs
from rga.__main__ import make_parser
from rga.data import Splits
from rga.evaluation import Embeddings, Evaluation
from rga.io.paths import ROOT
from rga.metrics import Ranking
from rga.runs.recipes import quick
from rga.training.log import Log

FOLDER = ROOT / "docs" / "api"
FILE = FOLDER / "public_names.json"
TABLE = re.compile(r"(<!-- names: (rga[\w.]*) -->\n).*?(<!-- end -->)", re.DOTALL)
SLOTS = ("CBAM", "FC", "NonLocal", "RGA", "SE", "SimplifiedNonLocal")


def promised() -> dict[str, dict[str, str]]:
    """{module: {name: what is promised of it}}, as it is stored."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def public_modules() -> list[str]:
    return [name for name in promised() if name.startswith("rga")]


def today() -> dict[str, dict[str, str]]:
    """The same, of the code as it is."""
    found = {name: dict(sorted(_names(name))) for name in public_modules()}
    found["python -m rga"] = dict(_commands(make_parser(), ""))
    found["parameters of notebooks"] = dict(map(_notebook_parameters, sorted(NOTEBOOKS.glob("*.ipynb"))))
    found["files"] = {"metrics.json": f"{{{', '.join(_keys(_report()))}}}"}
    found["state dicts"] = dict(_state_dicts())
    return found


def breaks(was: str, now: str | None) -> bool:
    """Whether what relies on `was` may fail, or give other results, where it is `now`; None: it is gone.

    (parameters) may get optional ones, {choices} more of them; all else stays as it is.
    """
    if now is None or was[0] != now[0]:
        return True
    if was[0] == "{":
        return not set(_parts(was)) <= set(_parts(now))
    if was[0] != "(":
        return was != now
    (was_placed, was_named), (placed, named) = _by_kind(_parts(was)), _by_kind(_parts(now))
    added = [*placed[len(was_placed) :], *(set(named) - set(was_named))]
    optional = all("=" in part or part.startswith("*") for part in added)
    return placed[: len(was_placed)] != was_placed or not set(was_named) <= set(named) or not optional


def _parts(text: str) -> list[str]:
    return [part for part in text[1:-1].split(", ") if part]


def _by_kind(parameters: list[str]) -> tuple[list[str], list[str]]:
    """Those that may be given by position, whose order counts, and those from the first * on."""
    first = next((i for i, part in enumerate(parameters) if part.startswith("*")), len(parameters))
    return parameters[:first], parameters[first:]


def _names(module: str):
    for name in importlib.import_module(module).__all__:
        value = getattr(importlib.import_module(module), name)
        yield name, _described(value)
        if inspect.isclass(value):
            for member, inside in _members(value):
                yield f"{name}.{member}", "property" if isinstance(inside, property) else _described(inside)


def _members(kind: type):
    """Public methods and properties that this package has written, those of base classes as well."""
    classes = [base for base in reversed(kind.__mro__) if base.__module__.startswith("rga.")]
    members = {name: value for base in classes for name, value in vars(base).items() if name[0] != "_"}
    return [(n, v) for n, v in members.items() if inspect.isfunction(v) or isinstance(v, property)]


def _described(value: object) -> str:
    """(parameters) of what can be called, {choices}, or the name of a module."""
    if inspect.ismodule(value):
        return f"module {value.__name__}"
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return f"{{{', '.join(value.__members__)}}}"
    if callable(value):
        return f"({', '.join(map(_parameter, _listed(inspect.signature(value))))})"
    return f"{{{', '.join(map(str, value))}}}"


def _listed(signature: inspect.Signature) -> list:
    """The parameters, with a * before those that are given by name alone."""
    parameters = list(signature.parameters.values())
    named = [i for i, parameter in enumerate(parameters) if parameter.kind == parameter.KEYWORD_ONLY]
    if named and not any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters):
        parameters.insert(named[0], "*")
    return parameters


def _parameter(parameter: inspect.Parameter | str) -> str:
    """name=default as text; only between parameters is there a comma with a space."""
    if isinstance(parameter, str):
        return parameter
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = parameter.default
    if default is parameter.empty:
        return stars + parameter.name
    shown = default.__name__ if inspect.isfunction(default) else repr(default).replace(", ", ",")
    return f"{parameter.name}={shown}"


def _commands(parser: argparse.ArgumentParser, command: str):
    """The options of each command, and of each data set in it."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for name, inside in (pair for action in below for pair in action.choices.items()):
        yield from _commands(inside, f"{command} {name}".strip())
    if not below:
        actions = [action for action in parser._actions if action.dest != "help"]
        options = [word for action in actions for word in action.option_strings or [action.dest]]
        yield command, f"{{{', '.join(options)}}}"


def _notebook_parameters(path: Path) -> tuple[str, str]:
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    names = [node.target.id for node in ast.parse(cell.source).body if isinstance(node, ast.AnnAssign)]
    return path.stem, f"{{{', '.join(names)}}}"


def _report() -> dict:
    """metrics.json as a run writes it, but for its numbers."""
    one, number = np.ones(1), torch.tensor([1])
    ranking, images = Ranking(one, one, one), Embeddings(torch.ones(1, 2), torch.ones(1, 2), number, number)
    result = Evaluation(ranking, ranking, images, images._replace(camids=number + 1))
    log, splits = Log(1, 1, 1, 1, *[0.0] * 6), Splits("", (), (), ())
    model = models.create_model("resnet18", "none", num_pids=2, size=(64, 32))
    return runs.report(quick(), model, splits, result, [log], {})


def _keys(report: dict) -> list[str]:
    """Of each level; the settings are the fields of `Recipe`."""
    inside = {key: value for key, value in report.items() if isinstance(value, dict) and key != "settings"}
    return [*report, *(f"{key}.{name}" for key, value in inside.items() for name in value)]


def _state_dicts():
    """The names of all parameters and buffers that this package adds to a backbone."""
    for name in SLOTS:
        yield name, f"[{', '.join(getattr(models, name)(16, (4, 2)).state_dict())}]"
    for backbone in ("resnet18", "mobilenet_v2"):
        model = models.create_model(backbone, "se", num_pids=2, size=(64, 32))
        plain = models.create_model(backbone, "none", num_pids=2, size=(64, 32)).backbone.state_dict()
        added = [key for key in model.state_dict() if key.removeprefix("backbone.") not in plain]
        yield f"create_model('{backbone}', 'se')", f"[{', '.join(added)}]"


def table(module: str) -> str:
    """The names of a module with the first lines of their docstrings, each a link to the file that it stands in."""
    rows = [f"| `{module}` | |", "|---|---|"]
    for name in importlib.import_module(module).__all__:
        value = getattr(importlib.import_module(module), name)
        about = value.__doc__ if inspect.ismodule(value) or callable(value) else None
        words = inspect.cleandoc(about).split("\n\n")[0] if about else f"Choices: {_choices(value)}."
        file = inspect.getsourcefile(inspect.unwrap(value) if about else importlib.import_module(module))
        path = Path("..", "..", Path(file).relative_to(ROOT)).as_posix()
        rows.append(f"| [`{name}`]({path}) | {' '.join(words.split()).replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def _choices(value) -> str:
    return ", ".join(f"`{choice}`" for choice in value)


def with_tables(page: str) -> str:
    """A page whose tables are those of the code as it is."""
    return TABLE.sub(lambda found: f"{found[1]}\n{table(found[2])}\n{found[3]}", page)


def main() -> None:
    FILE.write_text(json.dumps(today(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for page in FOLDER.glob("*.md"):
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
