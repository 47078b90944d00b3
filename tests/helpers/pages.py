"""The Python code of a page of docs/, so that a test can run it as it is written."""

import re

from rga.io.paths import ROOT


def code_of(page, section):
    """The Python blocks of a section of docs/PAGE, one after the other."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    body = re.split(r"^#+ ", text.split(f"# {section}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^```python\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    assert blocks, f"no code under {section!r}"
    return "".join(blocks)
