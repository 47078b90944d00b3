"""The site: built without a warning, whole, with every notebook and public name, and with nothing from elsewhere."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from helpers.html_pages import Page

import rga

pytestmark = pytest.mark.site
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_takes_the_place_of_an_older_one(site):
    assert (site / "index.html").exists() and not (site / "older.html").exists()


def test_every_link_and_anchor_leads_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("http", "https"), link
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = parts.fragment in pages[to].ids | {""} if to in pages else to.is_file()
            broken += [] if found else [f"{path.name}: {link}"]
    assert not broken
    assert sum(len(page.links) for page in pages.values()) > 1000


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        assert not [name for name in page.resources if "//" in name and not name.startswith("data:")], path
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8")), (
            style
        )


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_shown_as_stored(notebook, site, pages):
    page = pages[site / "notebooks" / f"{notebook.stem}.html"]
    cells = nbformat.read(notebook, 4).cells
    words = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|`[^`]*`", "", words, flags=re.DOTALL)
    code = [cell for cell in cells if cell.cell_type == "code"]
    figures = [out for cell in code for out in cell.outputs if "image/png" in out.get("data", {})]
    html = (site / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf-8")
    assert f"notebooks/{notebook.stem}.html" in pages[site / "index.html"].links
    assert html.count('<div class="cell_input') == len(code)
    assert page.tags.get("img", 0) == len(figures) + words.count("![")
    assert page.tags.get("math", 0) == len(re.findall(r"\$\$.+?\$\$|\$[^$\n]+\$", prose, re.DOTALL))
    assert page.tags["details"] == html.count("</details>") == words.count("<details>")


def test_no_markup_is_left(pages):
    """Neither TeX in an equation nor Markdown in prose, folded answers among it."""
    for path, page in pages.items():
        assert "\\" not in page.math, path
        marks = r"\$\$|```" if path.parent.name == "api" else r"\$\$|\\[a-z]{2}|```|\*\*\w|\]\("
        assert not re.search(marks, page.text), path


def test_every_public_name_has_its_place(site, pages):
    ids = set().union(*(page.ids for path, page in pages.items() if path.parent.name == "api"))
    for found in [pkgutil.ModuleInfo(None, "rga", True), *pkgutil.walk_packages(rga.__path__, "rga.")]:
        module = importlib.import_module(found.name)
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            # `rga.losses` is the page of rga.training.losses.
            assert (f"module-{value.__name__}" if inspect.ismodule(value) else f"{found.name}.{name}") in ids


def test_every_page_of_words_is_in_the_navigation(site, pages):
    links = pages[site / "index.html"].links
    words = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/api/*.md"),
        *ROOT.glob("notebooks/*.md"),
    ]
    assert {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in words} <= set(links)
    assert not (ROOT / "results" / "explorer.html").exists() or "results/explorer.html" in links


def test_the_search_knows_words_but_not_sources(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert '"docs/glossary"' in index and "remove_leftovers" not in index and "batch" in index
