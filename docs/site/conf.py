"""Sphinx's settings for the site; the pages it reads are those that build.py has gathered."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]  # the package, and the extensions beside this file

project = "rga"
author = copyright = "The rga contributors"
html_title = "rga: a course that runs"
extensions = [
    *("myst_nb", "sphinx_copybutton"),
    *("sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx.ext.linkcode"),
    *("api_pages", "mathml", "source_pages", "start_page"),
]
suppress_warnings = ["toc.not_included"]  # source files are reached by links
smartquotes = False  # quotes and dashes stand as the author wrote them

# Notebooks are shown as they are stored.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["attrs_block", "colon_fence", "dollarmath"]
myst_heading_anchors = 4

# Docstrings: single backticks are code, and a link where they name something public.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autosummary_generate = False
maximum_signature_line_length = 70
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_favicon = "static/favicon.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}
copybutton_exclude = ".linenos, .gp, .go"
