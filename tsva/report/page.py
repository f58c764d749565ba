"""The page: the summary put into words, tables and pictures, in one file that needs nothing else."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from tsva.evaluation import names
from tsva.report import figures
from tsva.report.tables import count_table, dataset_tables, nuclei_table, table1

TEMPLATES = Path(__file__).parent / "templates"
LISTED = 200
"""Left-out fields and patches named one by one; summary.json names them all."""


def render(summary: Mapping[str, Any], pictures: Mapping[str, Any], read: Callable[[str], bytes]) -> str:
    """Write the page.

    Parameters
    ----------
    summary, pictures : mapping
        As :func:`tsva.evaluation.summary.evaluate` returns: every number of the page comes from the summary.
    read : callable
        Content of a picture by the name of its file.

    Returns
    -------
    str
        HTML with styles and pictures inside; names from the data are escaped.
    """
    return (
        _environment(read, matched=summary["focus"]["brightness"]["matched"])
        .get_template("index.html.jinja")
        .render(
            summary=summary,
            pictures=pictures,
            datasets=[_dataset(summary, dataset, pictures) for dataset in summary["datasets"]],
            stacks=list(zip(summary["stacks_shown"], pictures["stacks"], strict=True)),
            fields=list(zip(summary["fields_shown"], pictures["fields"]["fields"], strict=True)),
            heights=pictures["fields"],
            listed=LISTED,
            style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        )
    )


def _dataset(summary: Mapping[str, Any], dataset: Mapping[str, Any], pictures: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of one data set."""
    name = dataset["dataset"]
    return {
        **dataset,
        **dataset_tables(summary, dataset),
        "table1": table1(summary, dataset),
        "offsets_found": [row for row in summary["offsets"] if row["dataset"] == name],
        "errors_predicted": [row for row in summary["errors"] if row["dataset"] == name],
        "failed": [row for row in summary["methods"] if row["dataset"] == name and row["failed"]],
        "name": names.dataset_name(name),
        "examples": [example for example in summary["examples"] if example["dataset"] == name],
        "pictures": pictures["examples"].get(name),
        "counts": count_table(summary, dataset),
        "nuclei": nuclei_table(summary, dataset),
        "segmentation": next((row for row in summary["segmentations_shown"] if row["dataset"] == name), None),
        "segmentation_rows": pictures["segmentations"].get(name),
    }


def _environment(read: Callable[[str], bytes], matched: Sequence[str]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": names.plain,
        "signed": names.signed,
        "offset": names.offset,
        "offsets": names.offsets,
        "method": names.method_name,
        "dataset": names.dataset_name,
        "listed": names.listed,
        "percent": names.percent,
        "pretty": lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1),
        "embedded": lambda name: _embedded(name, read(name)),
        "pixels": lambda name: np.asarray(Image.open(io.BytesIO(read(name))).convert("RGB")),
    }
    environment.globals |= {"sources": names.SOURCES, "roles": names.ROLES, "delta_methods": figures.DELTA_METHODS}
    environment.globals |= {"figures": figures.FIGURES, "worse_db": names.WORSE_DB}
    environment.globals["matched"] = matched
    return environment


def _embedded(name: str, content: bytes) -> str:
    """A picture's file as a data URI."""
    return f"data:image/{name.rsplit('.', 1)[1]};base64," + base64.b64encode(content).decode("ascii")
