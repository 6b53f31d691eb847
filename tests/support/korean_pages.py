"""Read Korean pages and terminals as their reader does, and find what is English on them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

PHRASE = re.compile(r"(?<![\w.:/-])[A-Za-z][a-z’']+ [a-z’']{2,}(?![\w.:/=-])")
"""Two words in a row, the second of small letters: names and units are single words."""

COMMANDS = re.compile(
    "“[^”]*”|`[^`]*`|tare [a-z-]+( [^가-힣]*)?|boot id|diff id|(apt|apt-get|pip) install [^가-힣]*|(modprobe|sudo|docker|podman) [a-z]+|avx sse"
)
"""Commands, two names of fields, and two features of a processor."""

QUOTED = re.compile(r"\u2018[^\u2019]*\u2019|'[^']*'|`[^`]*`|--[a-z-]+( [A-Z]+)?|\(docs/[^)]*\)")
"""Words that a user types, and values."""

LIBRARIES = re.compile(r"Input data was truncated|(JSON is malformed|Parser Error)[^\n]*")
"""Errors of libraries, which are quoted as they are."""

UNSEEN, EMPTY = {"style", "script", "svg", "title"}, {"meta", "link", "br", "rect", "path", "use", "wbr"}


TOLD = {"title", "aria-label", "data-label", "placeholder"}
"""Attributes whose text is shown or read out."""


class Reader(HTMLParser):
    """Collect the texts that a reader sees, ``everything`` or outside of figures and of what is marked as English."""

    def __init__(self, page: str, *, everything: bool = False) -> None:
        super().__init__()
        self.unseen = UNSEEN - {"svg", "title"} if everything else UNSEEN
        self.everything = everything
        self.hidden: list[bool] = []
        self.texts: list[str] = []
        # What no line ends within is a part of its text.
        self.feed(re.sub('<span class="unbroken">([^<]*)</span>', r"\1", page))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in EMPTY:
            inside = bool(self.hidden and self.hidden[-1])
            marked = dict(attrs).get("lang") == "en" and not self.everything
            self.hidden.append(inside or tag in self.unseen or marked)
        if self.everything:
            self.texts += [text for name, text in attrs if name in TOLD and text]

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            self.hidden.pop()

    def handle_data(self, data: str) -> None:
        if not (self.hidden and self.hidden[-1]):
            self.texts.append(data)


def english(page: str) -> list[str]:
    """List the texts of a page with two English words in a row, quoted or not; there are commands on it, and names."""
    texts = (COMMANDS.sub("", text) for text in Reader(page, everything=True).texts)
    return sorted({text for text in texts if PHRASE.search(text)})


def english_lines(text: str) -> list[str]:
    """Give the lines of a terminal's text that have two English words in a row."""
    said = LIBRARIES.sub("", text)
    return [line for line in said.splitlines() if PHRASE.search(COMMANDS.sub("", QUOTED.sub("", line)))]
