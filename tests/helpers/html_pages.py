"""What tests look at in an HTML page: its ids, links, resources, equations, and the text that is no code."""

from html.parser import HTMLParser
from pathlib import Path

SILENT = {"pre", "code", "script", "style", "math"}  # their text is not prose


class Page(HTMLParser):
    """ids, links (href of <a>), resources (what a browser loads), tags with their number, text outside of code."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids, self.links, self.resources, self.tags, self.text = set(), [], [], {}, ""
        self.math = ""
        self._inside = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.ids.add(given.get("id"))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon"):
            self.resources.append(given["href"])
        elif "src" in given:
            self.resources.append(given["src"])
        if tag in SILENT:
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.text += data
        elif self._inside[-1] == "math":
            self.math += data
