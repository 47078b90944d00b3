"""Equations as MathML, which browsers render themselves: nothing to load, nothing to run."""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def inline(writer, node) -> None:
    """A formula within a sentence."""
    writer.body.append(convert(node.astext()))
    raise SkipNode


def block(writer, node) -> None:
    """A formula on its own; one that is wider than the page scrolls."""
    writer.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def setup(app: Sphinx) -> dict:
    """Sphinx calls this."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True}
