"""How often a stack is opened, and its header parsed, until all of its planes are read."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tsva.acquisition.stack import Stack
from tsva.readers import ome
from tsva.readers.fields import find_fields
from tsva.readers.stack_file import write_stack
from tsva.settings.sheet import SlideRow

OPENED: list[str] = []


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        OPENED.append(str(arguments[0]))


def test_a_stack_of_27_planes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once to see what it is, once for its headers, once for its pixels; OME's header is parsed here once."""
    pixels = np.random.default_rng(1).integers(0, 256, (27, 40, 56, 3), dtype=np.uint8)
    path = tmp_path / "counted.ome.tif"
    write_stack(path, Stack(pixels, np.arange(27) * 0.5, 0.345))
    parsed = []

    def counted(text: str) -> ElementTree.Element:
        parsed.append(text)
        return ElementTree.fromstring(text)

    monkeypatch.setattr(ome, "parse_xml", counted)
    cells = {"slide": "S", "patient": "p", "sample": "T", "role": "train", "source": "stack", "path": path.name}
    OPENED.clear()
    sys.addaudithook(_listen)
    (field,) = find_fields(SlideRow.model_validate(cells), tmp_path)
    assert np.array_equal(np.stack(list(field.planes())), pixels)
    assert len([name for name in OPENED if name.endswith("counted.ome.tif")]) <= 3
    assert len(parsed) == 1
