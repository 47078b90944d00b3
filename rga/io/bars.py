"""Progress that a person watches: tqdm's bar at a terminal, a line that is replaced in a notebook.

Nothing here is a widget: a widget is gone when a notebook is saved and opened again, "model not found".
"""

import sys

from tqdm import tqdm as terminal_bar


class tqdm(terminal_bar):  # noqa: N801
    """tqdm's bar. In a notebook it is a line of text below the cell, and nothing where nobody watches."""

    def __init__(self, *args, **options):
        if kernel() is not None:
            options |= {"file": _Line(), "ncols": 80, "mininterval": 0.5, "disable": not watched()}
        super().__init__(*args, **options)


class Output:
    """Something below a notebook's cell that is replaced as it changes."""

    def __init__(self) -> None:
        self.handle = None

    def show(self, content: object) -> None:
        from IPython.display import display  # nobody needs it outside a notebook

        content = _Text(content) if isinstance(content, str) else content
        if self.handle is None:
            self.handle = display(content, display_id=True)
        else:
            self.handle.update(content)


def kernel():
    """The kernel of the notebook that this runs in, or None; IPython is asked only where it runs already."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython() if ipython else None, "kernel", None)


def watched() -> bool:
    """Whether a person looks on: the front end of this cell takes keyboard input, or stderr is a terminal."""
    running = kernel()
    if running is None:
        return sys.stderr.isatty()
    return bool(running.get_parent().get("content", {}).get("allow_stdin", False))


class _Text(str):
    """A line as a notebook shows it, without quotation marks."""

    __repr__ = str.__str__


class _Line:
    """A file in which only the last line stays; for programs that begin each with a carriage return."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.output = Output()

    def write(self, text: str) -> None:
        if line := text.strip("\r\n"):
            self.output.show(line)

    def flush(self) -> None:
        pass
