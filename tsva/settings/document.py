"""Write the settings' schema and their page, so that neither can fall behind the code.

``python -m tsva.settings.document`` writes both; ``--check`` tells whether they are current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tsva.settings.root import Settings
from tsva.settings.sheet import SlideRow

ROOT = Path(__file__).parents[2]
FIX = "python -m tsva.settings.document"


def documents() -> dict[Path, str]:
    """What the files ought to hold, by their path."""
    schema = Settings.model_json_schema()
    return {
        ROOT / "config/schemas/config.schema.json": json.dumps(schema, indent=1, sort_keys=True) + "\n",
        ROOT / "config/schemas/slides.schema.json": json.dumps(SlideRow.model_json_schema(), indent=1, sort_keys=True)
        + "\n",
        ROOT / "docs/settings.md": _page(schema),
    }


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
