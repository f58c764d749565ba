"""The glossary names what the code has, and words that it replaces are gone from the package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
MODULES = sorted((ROOT / "tsva").rglob("*.py"))


def rows(heading: str) -> list[list[str]]:
    """Cells of the table that starts with a line of this kind."""
    lines = TEXT[TEXT.index(heading) :].splitlines()
    table = [line.strip("|").split("|") for line in lines[2:]]
    end = next((number for number, cells in enumerate(table) if len(cells) == 1), len(table))
    return [[cell.strip() for cell in cells] for cells in table[:end]]


TERMS = rows("| term | code |")
REPLACED = rows("| not | but |")


def names_in_code() -> Iterator[str]:
    """Identifiers, and words of strings that are no docstrings, in the whole package."""
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                yield from re.findall(r"\w+", node.value)
            for field in ("id", "attr", "arg", "name"):
                value = getattr(node, field, None)
                if isinstance(value, str):
                    yield from value.split(".")


def test_every_code_name_occurs_in_the_code() -> None:
    known = set(names_in_code())
    missing = [
        f"{term}: {name}" for term, code, *_ in TERMS for name in re.findall(r"`(.*?)`", code) if name not in known
    ]
    assert not missing, f"docs/glossary.md names what the package has not: {', '.join(missing)}"


def test_there_are_at_most_fifty_terms_each_whole_and_once() -> None:
    assert 10 < len(TERMS) <= 50
    names = [term for term, *_ in TERMS]
    assert names == sorted(names, key=str.lower)
    assert len(names) == len(set(names))
    for cells in TERMS:
        assert len(cells) == 5
        assert re.search(r"`\w+`", cells[1]), cells
        assert cells[4].endswith(".")


@pytest.mark.parametrize("word", [word.strip("`") for word, _ in REPLACED])
def test_a_replaced_word_is_gone(word: str) -> None:
    pattern = re.compile(rf"(?<![A-Za-z]){re.escape(word)}(?![a-z])", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    better = dict(REPLACED)[f"`{word}`"]
    assert not found, f"'{word}' is called {better} (docs/glossary.md): {', '.join(found)}"
