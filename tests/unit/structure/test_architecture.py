"""The drawing of the package's structure: up to date, and refused where the structure breaks its rules."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[3]
LAYERS = [["cli"], ["report", "pipeline"], ["settings"]]
SENTENCES = {name: f"What {name} is for." for layer in LAYERS for name in layer}
EDGES = {("cli", "report"), ("cli", "pipeline"), ("cli", "settings"), ("report", "settings"), ("pipeline", "settings")}


def test_the_picture_is_up_to_date(architecture: ModuleType) -> None:
    kept = (ROOT / "docs/architecture.svg").read_text(encoding="utf-8")
    assert kept == architecture.drawn(), (
        "the imports between packages or their docstrings have changed; "
        "run: python docs/pictures/architecture.py docs/architecture.svg"
    )


def test_arrows_run_down_and_none_is_drawn_that_follows_from_others(architecture: ModuleType) -> None:
    root = ElementTree.fromstring(architecture.picture(LAYERS, EDGES, SENTENCES))
    paths = [path.get("d") for path in root.iterfind(".//{*}path") if path.get("class") == "arrow"]
    assert len(paths) == len(EDGES) - 1  # the command line reaches the settings by the others
    for path in paths:
        heights = [float(y) for y in re.findall(r"[-\d.]+ ([-\d.]+)", path)]
        assert heights == sorted(heights)


def test_every_module_beside_the_rooms_is_listed_with_its_sentence() -> None:
    text = (ROOT / "docs/architecture.svg").read_text(encoding="utf-8")
    listed = re.findall(r">(\w+\.py): [^<]+\.<", text)
    assert listed == sorted(path.name for path in (ROOT / "tsva").glob("*.py") if path.stem != "__init__")


def test_rooms_lie_apart_and_hold_their_names(architecture: ModuleType) -> None:
    root = ElementTree.fromstring((ROOT / "docs/architecture.svg").read_text(encoding="utf-8"))
    boxes = [
        tuple(float(box.get(key)) for key in ("x", "y", "width", "height"))
        for box in root.iterfind(".//{*}rect")
        if box.get("class") == "room"
    ]
    assert 2 <= len(boxes) <= architecture.MOST_ROOMS
    for number, (x, y, width, height) in enumerate(boxes):
        for x2, y2, width2, height2 in boxes[:number]:
            assert x >= x2 + width2 or x2 >= x + width or y >= y2 + height2 or y2 >= y + height
    names = [text for text in root.iterfind(".//{*}text") if text.get("class") == "name"]
    assert len(names) == len(boxes)


@pytest.mark.parametrize(
    ("edges", "sentences", "word"),
    [
        ({("settings", "cli")}, SENTENCES, "settings from cli"),
        ({("report", "pipeline")}, SENTENCES, "report from pipeline"),
        (EDGES | {("settings", "report")}, SENTENCES, "import each other"),
        (EDGES, SENTENCES | {"report": ""}, "tsva/report/__init__.py"),
    ],
)
def test_a_structure_that_breaks_a_rule_is_refused(
    architecture: ModuleType, edges: set[tuple[str, str]], sentences: dict[str, str], word: str
) -> None:
    with pytest.raises(architecture.StructureError, match=word):
        architecture.picture(LAYERS, edges, sentences)


def test_too_many_rooms_are_refused(architecture: ModuleType) -> None:
    layers = [[f"room{number}"] for number in range(architecture.MOST_ROOMS + 1)]
    with pytest.raises(architecture.StructureError, match=f"{architecture.MOST_ROOMS + 1} rooms"):
        architecture.picture(layers, set(), {name: "A room." for (name,) in layers})


def test_a_package_without_a_layer_is_refused(architecture: ModuleType) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert architecture.layers_of(text)
    with pytest.raises(architecture.StructureError, match="optics"):
        architecture.layers_of(text.replace(" | tsva.optics", ""))
