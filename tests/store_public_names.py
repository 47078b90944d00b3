"""Write what the package promises: docs/api/public_names.json, and the tables of names on the pages of docs/api/.

The keys of that file are the public modules. A new one: add `"rga.new": {}` there, `<!-- names: rga.new -->` and
`<!-- end -->` to a page, and run this.
"""

import argparse
import enum
import importlib
import inspect
import json
import re
from pathlib import Path

from rga.__main__ import make_parser
from rga.io.paths import ROOT

FOLDER = ROOT / "docs" / "api"
FILE = FOLDER / "public_names.json"
TABLE = re.compile(r"(<!-- names: (rga[\w.]*) -->\n).*?(<!-- end -->)", re.DOTALL)
COMMAND = "python -m rga"


def promised() -> dict[str, dict[str, str]]:
    """{module: {name: what is promised of it}}, as it is stored."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def public_modules() -> list[str]:
    return [name for name in promised() if name != COMMAND]


def today() -> dict[str, dict[str, str]]:
    """The same, of the code as it is."""
    found = {name: dict(sorted(_names(name))) for name in public_modules()}
    return found | {COMMAND: dict(_commands(make_parser(), ""))}


def breaks(was: str, now: str | None) -> bool:
    """Whether code that relies on `was` may fail, or give other results, where it is `now`; None: it is gone.

    A module, function or class may get optional parameters, a choice more names.
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
    return text[1:-1].split(", ")


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
        yield command, f"{{{', '.join(o for a in parser._actions for o in a.option_strings or [a.dest])}}}"


def table(module: str) -> str:
    """The names of a module with the first lines of their docstrings, each a link to the file that it stands in."""
    rows = [f"| `{module}` | |", "|---|---|"]
    for name in importlib.import_module(module).__all__:
        value = getattr(importlib.import_module(module), name)
        about = value.__doc__ if inspect.ismodule(value) or callable(value) else None
        words = inspect.cleandoc(about).split("\n\n")[0] if about else f"Choices: {_choices(value)}."
        file = inspect.getsourcefile(value if about else importlib.import_module(module))
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
