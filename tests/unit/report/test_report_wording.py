"""Words of the pages: short sentences, terms of the glossary, no word that the glossary replaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

GLOSSARY = (Path(__file__).parents[3] / "docs/glossary.md").read_text(encoding="utf-8")
PROSE = {"p", "li", "dd", "figcaption", "caption"}
LONGEST_MEAN = 20
LONGEST = 60


class Prose(HTMLParser):
    """Texts of paragraphs, items of lists and captions."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in ("svg", "style", "script", "pre")
        if tag in PROSE:
            self._open.append(tag)
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("svg", "style", "script", "pre")
        if self._open and tag == self._open[-1]:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and not self._hidden:
            self.texts[-1] += data


def prose(page: str) -> list[str]:
    reader = Prose()
    reader.feed(page)
    return [" ".join(text.split()) for text in reader.texts]


def sentences(page: str) -> list[str]:
    found = [part for text in prose(page) for part in re.split(r"(?<=[.!?;:])\s+", text)]
    return [part for part in found if len(part.split()) > 2]


@pytest.mark.parametrize("name", ["page", "inputs"])
def test_sentences_are_short(report: Callable[..., Any], name: str) -> None:
    """Parts between full stops, colons and semicolons: each can be read alone."""
    found = sentences(getattr(report(), name))
    words = [len(part.split()) for part in found]
    assert len(found) > 10
    assert sum(words) / len(words) <= LONGEST_MEAN, sum(words) / len(words)
    assert max(words) <= LONGEST, max(found, key=lambda part: len(part.split()))


@pytest.mark.parametrize("name", ["page", "inputs"])
def test_no_replaced_word_is_on_a_page(report: Callable[..., Any], name: str) -> None:
    text = " ".join(prose(getattr(report(), name))).lower()
    table = GLOSSARY[GLOSSARY.index("| not | but |") :]
    replaced = re.findall(r"^\| `(.*?)` \|", table, flags=re.MULTILINE)
    assert replaced
    assert [word for word in replaced if re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", text)] == []
