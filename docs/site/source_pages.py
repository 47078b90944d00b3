"""Source files as pages: a link to a .py file opens its highlighted text, one to a folder the list of its files."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.parsers import Parser

FOLDERS = "rga|bench|tests|results|notebooks|docs|data"


class SourceParser(Parser):
    """A Python file as a page: its path as title, then its text, where line 12 has the id L-12."""

    supported = ("python",)

    def parse(self, text: str, document: nodes.document) -> None:
        env = document.settings.env
        name = env.docname
        env.metadata[name]["nosearch"] = ""  # a search is for what is written about it
        title = nodes.title("", "", nodes.literal("", f"{name}.py"))
        code = nodes.literal_block(text, text, language="python", highlight_args={"linespans": "L"})
        document += nodes.section("", title, code, ids=["source"])


def list_folders(app: Sphinx) -> None:
    """Write a page for each folder."""
    for folder in (path for name in FOLDERS.split("|") for path in Path(app.srcdir, name).rglob("")):
        inside = sorted(folder.iterdir())
        links = [f"* [{path.name}]({path.name}{'/index.md' if path.is_dir() else ''})" for path in inside]
        head = f"---\nnosearch: true\n---\n# `{folder.relative_to(app.srcdir)}/`\n\n"
        (folder / "index.md").write_text(head + "\n".join(links) + "\n", encoding="utf-8")


def link_folders(app: Sphinx, docname: str, source: list[str]) -> None:
    """Links to a folder lead to its page."""
    source[0] = re.sub(rf"\]\(((?:\.\./)*(?:{FOLDERS})(?:/[\w-]+)*)/?\)", r"](\1/index.md)", source[0])


def setup(app: Sphinx) -> dict:
    """Sphinx calls this."""
    app.add_source_suffix(".py", "python")
    app.add_source_parser(SourceParser)
    app.connect("builder-inited", list_folders)
    app.connect("source-read", link_folders)
    return {"parallel_read_safe": True}
