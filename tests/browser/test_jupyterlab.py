"""What a student sees in a real JupyterLab: the map first; after Run All no red, no question, no broken figure."""

import nbformat
import pytest
from helpers.jupyterlab import check_run_all
from selenium.webdriver.common.by import By

# One of everything that the notebooks put out.
CELLS = [
    "from rga import plot\nfrom rga.course import exercises, interactive, notebook, tables",
    "profile = 'quick'\ngiven = notebook.setup(globals())",
    "def share(none, attention, oracle):\n    raise NotImplementedError\n\n\nexercises.check_share(share)",
    "exercises.check_share(lambda none, attention, oracle: 1.0)",
    "exercises.check_share(lambda *scores: __import__('numpy').nan)",
    "plot.overview('01')",
    "interactive.interact(lambda notebook: plot.overview(notebook), notebook=['01', '02'])",
    "from IPython.display import Markdown\nMarkdown(tables.markdown(['a', 'b'], [['1', '2'], ['3', '4']]))",
    "for _ in notebook.progress([]):\n    pass\nprint('done')",
]


def test_make_lab_lands_on_the_map_which_leads_to_the_notebooks(lab, work):
    lab.open(f"{work.name}/README.md", ready=".jp-MarkdownViewer h1")
    assert lab.driver.find_element(By.CSS_SELECTOR, ".jp-MarkdownViewer h1").text.strip("¶") == "The course"
    assert not lab.driver.find_elements(By.CSS_SELECTOR, ".jp-Dialog, .jp-toast-message, .jp-Launcher")
    links = lab.driver.find_elements(By.CSS_SELECTOR, ".jp-MarkdownViewer table a")
    next(link for link in links if "data set" in link.text).click()
    lab.wait(lambda: lab.driver.find_elements(By.CSS_SELECTOR, ".jp-Notebook .jp-CodeCell"), 60)
    assert not lab.seen()["dialogs"]  # no question for a kernel


def write(path, *cells):
    about = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells), metadata={"kernelspec": about}), path)


code = nbformat.v4.new_code_cell


def test_run_all(lab, work):
    text = nbformat.v4.new_markdown_cell("| a | table |\n|---|---|\n| of | text |\n\nAnd `code`.")
    write(work / "small.ipynb", text, *map(code, CELLS))
    lab.open(f"{work.name}/small.ipynb")
    assert len(check_run_all(lab, 120)["figures"]) == 2


def test_red_is_seen(lab, work):
    """So that the test above can fail."""
    write(work / "red.ipynb", code("import sys\nprint('oh', file=sys.stderr)"), code("1 / 0"), code("2"))
    lab.open(f"{work.name}/red.ipynb")
    with pytest.raises(AssertionError, match="'skipped': 1, 'red': ..oh.*ZeroDivisionError"):
        check_run_all(lab, 60)
