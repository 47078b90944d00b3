"""The API reference: a page for each module that readers import from, with everything that it makes public.

The public modules are those of docs/api/public_names.json; the checkers of exercises are for the notebooks.
"""

import importlib
import inspect
import json
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx

import rga

ROOT = Path(rga.__file__).parents[1]
PAGES = ROOT / "docs" / "api"
PROMISED = json.loads((PAGES / "public_names.json").read_text(encoding="utf-8"))
MODULES = [*(name for name in PROMISED if name.startswith("rga")), "rga.course.exercises"]
INTRO = (
    "The modules to import from. Beside every name a link leads to its source. "
    ":doc:`Examples, and what is promised </docs/api/README>`."
)
ABOUT = {  # the page in docs/api with examples of a module
    name: path.stem
    for path in PAGES.glob("*.md")
    for name in re.findall(r"<!-- names: (\S+) -->", path.read_text(encoding="utf-8"))
}


def public(module: ModuleType) -> list[str]:
    """The names of __all__, but for modules, which have pages of their own."""
    return [name for name in module.__all__ if not inspect.ismodule(getattr(module, name))]


def page(name: str) -> str:
    """The page of a module in reStructuredText: what it is for, a table of its names, then each of them."""
    module = importlib.import_module(name)
    names = public(module)
    table = ["   " + each for each in names if callable(getattr(module, each))]
    parts = [name, "=" * len(name), "", f".. automodule:: {name}", "", f".. currentmodule:: {name}", ""]
    parts += [f":doc:`Examples </docs/api/{ABOUT[name]}>`.", ""] if name in ABOUT else []
    parts += [".. autosummary::", "   :nosignatures:", "", *table, ""] if table else []
    for each in names:
        value = getattr(module, each)
        if inspect.isclass(value):
            bases = ["   :show-inheritance:"] if value.__bases__ != (object,) else []
            parts += [f".. autoclass:: {each}", "   :members:", *bases, ""]
        elif callable(value):
            parts += [f".. autofunction:: {each}", ""]
        else:
            keys = ", ".join(f"``{key}``" for key in value)
            kind = "Keys" if isinstance(value, dict) else "Values"
            parts += [f".. py:data:: {each}", "", f"   {kind}: {keys}.", ""]
    return "\n".join(parts)


def write_pages(app: Sphinx) -> None:
    """Write the pages of all modules and their list."""
    folder = Path(app.srcdir, "api")
    folder.mkdir()
    names = "".join(f"   {name}\n" for name in MODULES)
    lists = f".. toctree::\n   :hidden:\n\n{names}\n.. autosummary::\n   :nosignatures:\n\n{names}"
    (folder / "index.rst").write_text(f"API reference\n=============\n\n{INTRO}\n\n{lists}", encoding="utf-8")
    for name in MODULES:
        (folder / f"{name}.rst").write_text(page(name), encoding="utf-8")


MARKUP = re.compile(r"(?P<keep>`[^`]*`(?!\w)|^ *\* )|(?P<joined>`[^`]*`)|[*|]|(?<=\w)_(?!\w)")


def escape(found: re.Match) -> str:
    """Code and bullets stay, an ending may follow code as in `Item`s, and what else looks like markup is not."""
    return found["keep"] or (f"{found['joined']}\\ " if found["joined"] else f"\\{found[0]}")


def from_markdown(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are written as plain text: what is indented after an empty line is code, and stars are stars."""
    code, indented, done = False, False, []
    for before, line in pairwise(["", *lines]):
        if line and not line.startswith(" "):
            code = indented = False
        elif line and not indented:
            code, indented = not before, True
            done += [".. code-block:: text", ""] if code else []
        done.append(line if code else MARKUP.sub(escape, line))
    lines[:] = done


def as_written(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Of a property napoleon takes the words before a colon for the type: undo that."""
    if isinstance(obj, property):
        lines[:] = [*inspect.cleandoc(obj.__doc__).splitlines(), ""]
        from_markdown(app, what, name, obj, options, lines)


def skip_fields(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """A field of a named tuple has nothing to say but its number."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def linkcode_resolve(domain: str, info: dict) -> str | None:
    """Where the source of a public name is shown, seen from the API's pages: its file's page, at its line."""
    value = importlib.import_module(info["module"])
    for part in info["fullname"].split("."):
        value = getattr(value, part, None)
    value = inspect.unwrap(value) if callable(value) else None
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return None
    path = Path(inspect.getsourcefile(value)).relative_to(ROOT).with_suffix(".html")
    return f"../{path.as_posix()}#L-{inspect.getsourcelines(value)[1]}"


def setup(app: Sphinx) -> dict:
    """Sphinx calls this."""
    app.config.linkcode_resolve = linkcode_resolve
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", from_markdown, priority=400)  # napoleon has 500
    app.connect("autodoc-process-docstring", as_written, priority=600)
    app.connect("autodoc-skip-member", skip_fields)
    return {"parallel_read_safe": True}
