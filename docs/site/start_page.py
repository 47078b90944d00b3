"""The start page: one card for each notebook, of its first cell; and the explorer, where it is recorded."""

import re
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

EXPLORER = "results/explorer.html"  # a page of its own, copied as it is
MAP = "notebooks/README.md"
ABSENT = "<p><em>Run the notebook to see this page: it is made then.</em></p>"


def card(path: Path) -> str:
    """A notebook's title, promise and time with the quick profile."""
    first = nbformat.read(path, 4).cells[0].source
    title, promise = re.match(r"# (.+)\n\n\*\*(.+)\*\*", first).groups()
    time = re.search(r"^\| `quick` \|.*\| (.+?) \|$", first, re.MULTILINE)[1]
    return f"* **[{title}](notebooks/{path.name})**\n\n  {promise}\n\n  *{time[0].upper()}{time[1:]}*\n"


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the course into the start page, in the place of the word COURSE."""
    if docname != "index":
        return
    folder = Path(app.srcdir)
    notebooks = sorted((folder / "notebooks").glob("*.ipynb"))
    entries = [f"notebooks/{path.stem}" for path in notebooks]
    course = "{.cards}\n" + "".join(map(card, notebooks))
    if (folder / MAP).exists():
        entries.insert(0, f"Which way through <{MAP}>")
        course = f"[Which way through]({MAP}), for a weekend, a lecture or ten minutes.\n\n{course}"
    if (folder / EXPLORER).exists():
        course += f"* **[Explorer]({EXPLORER})**\n\n  Click a position of a person: whom does it relate to?\n"
    listed = "\n".join(entries)
    course += f"\n```{{toctree}}\n:hidden:\n:caption: The course\n\n{listed}\n```\n"
    source[0] = source[0].replace("COURSE", course)


def link_explorer(app: Sphinx, doctree: nodes.document) -> None:
    """A link to the explorer opens it (Sphinx would offer a download); one in runs/ is shown as it is recorded."""
    for node in doctree.findall(addnodes.download_reference):
        if node["reftarget"].endswith(Path(EXPLORER).name):
            node.replace_self(nodes.reference("", "", *node.children, refuri=node["reftarget"]))
    for node in doctree.findall(nodes.raw):
        if "<iframe" in node.astext() and "../runs/" in node.astext():
            shown = re.sub(r"\.\./runs/[^\"]*", f"../{EXPLORER}", node.astext())
            there = Path(app.srcdir, EXPLORER).exists()
            node.replace_self(nodes.raw("", shown if there else ABSENT, format="html"))


def setup(app: Sphinx) -> dict:
    """Sphinx calls this."""
    app.connect("source-read", fill)
    app.connect("doctree-read", link_explorer)
    return {"parallel_read_safe": True}
