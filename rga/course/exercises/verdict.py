"""What a checker of an exercise says: passed, not written yet, or the first mistake and a hint."""

import functools
import html
from collections.abc import Callable

PASSED = "all stages passed"
NOT_WRITTEN = "not written yet: "
FORGOTTEN = "stage 1, it runs: it returned None. Hint: is there a return at its end?"

COLOURS = {  # JupyterLab's own, which follow its theme
    "passed": "var(--jp-success-color1, #388e3c)",
    "not written yet": "var(--jp-border-color1, #9e9e9e)",
    "not yet": "var(--jp-warn-color1, #e65100)",
}


class Verdict(str):
    """A checker's answer: a string that JupyterLab shows as a box with a coloured edge."""

    @property
    def kind(self) -> str:
        if self == PASSED:
            return "passed"
        return "not written yet" if self.startswith(NOT_WRITTEN) else "not yet"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        sign = {"passed": "✓ ", "not written yet": "✎ ", "not yet": "✗ "}[self.kind]
        said = html.escape(self, quote=False).replace(" Hint: ", "<br><b>Hint:</b> ")
        return (
            f'<div style="border-left: 5px solid {COLOURS[self.kind]}; padding: 0.3em 0.8em; max-width: 50em">'
            f"{sign}{said}</div>"
        )


class _Stop(BaseException):
    """Leaves a checker at once; no Exception, so that no stage takes it for the answer's own."""


def checker(
    asked: str, sees_none: bool = False
) -> Callable[[Callable[[Callable], str]], Callable[[Callable], Verdict]]:
    """Decorate a checker: an answer that is not written yet, or returns nothing, gets a verdict of its own.

    Args:
        asked: what is to be written, said while the answer still raises NotImplementedError.
        sees_none: the checker has a word of its own for None, and is given it.
    """

    def decorate(check: Callable[[Callable], str]) -> Callable[[Callable], Verdict]:
        @functools.wraps(check)
        def checked(answer: Callable) -> Verdict:
            def called(*args, **kwargs):
                try:
                    returned = answer(*args, **kwargs)
                except NotImplementedError:
                    raise _Stop(NOT_WRITTEN + asked) from None
                if returned is None and not sees_none:
                    raise _Stop(FORGOTTEN)
                return returned

            try:
                return Verdict(check(called))
            except _Stop as stop:
                return Verdict(stop)

        return checked

    return decorate
