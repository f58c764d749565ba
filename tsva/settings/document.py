"""Write the settings' schema and their page, so that neither can fall behind the code.

``python -m tsva.settings.document`` writes both; ``--check`` says whether they are current.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

from tsva.settings.base import Section
from tsva.settings.root import Settings
from tsva.settings.sheet import SlideRow

ROOT = Path(__file__).parents[2]
FIX = "python -m tsva.settings.document"


def documents() -> dict[Path, str]:
    """What the files ought to hold, by their path."""
    schema = _described(Settings)
    return {
        ROOT / "config/schemas/config.schema.json": json.dumps(schema, indent=1, sort_keys=True) + "\n",
        ROOT / "config/schemas/slides.schema.json": json.dumps(_described(SlideRow), indent=1, sort_keys=True) + "\n",
        ROOT / "docs/settings.md": _page(schema),
    }


def _described(model: type[Section]) -> dict[str, Any]:
    """The schema with the docstrings of attributes as descriptions.

    Pydantic can read them when it makes a model, and would then read all source files at every start of a stage.
    """
    schema = model.model_json_schema()
    models = {one.__name__: one for one in [model, *_below(Section)]}
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        for key, text in _attribute_docstrings(models[name]).items() if name in models else ():
            if key in part["properties"]:
                part["properties"][key].setdefault("description", text)
    return schema


def _below(model: type[Section]) -> list[type[Section]]:
    return [found for one in model.__subclasses__() for found in [one, *_below(one)]]


def _attribute_docstrings(model: type[Section]) -> dict[str, str]:
    """The string below each annotated attribute, those of the classes that it derives from among them."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__[: model.__mro__.index(Section)]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(definition, ast.ClassDef)
        for attribute, below in pairwise(definition.body):
            if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name):
                text = (
                    below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
                )
                if isinstance(text, str):
                    found[attribute.target.id] = inspect.cleandoc(text)
    return found


def _page(schema: dict[str, Any]) -> str:
    lines = [
        "# Settings",
        "",
        f"Made by `{FIX}` from the code that checks them. Defaults are those of the embedded demo;",
        "`config/paper.yaml` holds the paper's values where they differ.",
        "",
        "## Top level",
        "",
        *_table(schema, schema),
    ]
    for name, prop in schema["properties"].items():
        section = _resolve(prop, schema)
        if "properties" in section:
            lines += ["", f"## {name}", "", _one_line(section.get("description", "")), "", *_table(section, schema)]
            for key, part in section["properties"].items():
                nested = _resolve(part.get("additionalProperties", part), schema)
                if "properties" in nested:
                    lines += ["", f"### {name}.{key}", "", *_table(nested, schema)]
    return "\n".join(lines) + "\n"


def _table(section: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    rows = ["| key | default | bounds | meaning |", "|---|---|---|---|"]
    for key, prop in section["properties"].items():
        resolved = _resolve(prop, schema)
        if "properties" in resolved or "properties" in _resolve(prop.get("additionalProperties", {}), schema):
            continue
        default = json.dumps(prop["default"]) if "default" in prop else "required"
        rows.append(f"| `{key}` | `{default}` | {_bounds(prop)} | {_one_line(prop.get('description', ''))} |")
    return rows


def _bounds(prop: dict[str, Any]) -> str:
    options = [prop, *prop.get("anyOf", [])]
    words = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
        "multipleOf": "multiple of",
    }
    found = [f"{word} {option[key]}" for option in options for key, word in words.items() if key in option]
    found += [", ".join(f"`{value}`" for value in option["enum"]) for option in options if "enum" in option]
    return " and ".join(found)


def _resolve(prop: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference to another part of the schema."""
    if not isinstance(prop, dict):
        return {}
    reference = prop.get("$ref") or next((part["$ref"] for part in prop.get("allOf", []) if "$ref" in part), None)
    return schema["$defs"][reference.rsplit("/", 1)[1]] if reference else prop


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write, or with ``--check`` compare."""
    stale = [
        path for path, text in documents().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        print(f"stale: {', '.join(map(str, stale))}; run {FIX}" if stale else "current")
        return int(bool(stale))
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(documents()[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
