"""The page: the summary put into words, tables and pictures, in one file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tsva.report import figures, names
from tsva.report.delta import NAMES as DELTA_METHODS
from tsva.report.layout import count_table, dataset_tables
from tsva.report.nuclei import nuclei_table
from tsva.report.table1 import table1

TEMPLATES = Path(__file__).parent / "templates"
LISTED = 200
"""Left-out fields and patches named one by one; summary.json names them all."""


def render(summary: Mapping[str, Any], pictures: Mapping[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    summary : mapping
        As :func:`tsva.report.tables.summarise` returns: every number of the page comes from it.
    pictures : mapping
        `examples` (by data set: what :func:`tsva.report.examples.pictures` returns), `stacks` and `fields` (what
        :func:`tsva.report.contact.pictures` and :func:`tsva.report.focal_surface.pictures` return), `segmentations` (by
        data set: the rows of :func:`tsva.report.segmentation.pictures`) and `optics` and `advice` (the
        point spread function, and restoration against the distance of the shots, as SVG elements, or None).

    Returns
    -------
    str
        HTML with styles and pictures inside; names from the data are escaped.
    """
    return (
        _environment(matched=summary["focus"]["brightness"]["matched"])
        .get_template("index.html.jinja")
        .render(
            summary=summary,
            datasets=[_dataset(summary, dataset, pictures) for dataset in summary["datasets"]],
            focal_positions=_markup(figures.focal_positions(summary)),
            training=_markup(figures.training(summary)),
            optics=_markup(pictures["optics"]),
            advice=_markup(pictures["advice"]),
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
        "curves": [
            Markup(figures.psnr_by_offset(summary, name, target))
            for target in (["captured", "clean"] if dataset["has_clean"] else ["captured"])
        ],
        "differences": _markup(figures.differences(summary, name)),
    }


def _markup(text: str | None) -> Markup | None:
    """An element of our own making, which is not to be escaped again."""
    return None if text is None else Markup(text)


def _environment(matched: Sequence[str]) -> Environment:
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
        "pretty": lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1),
    }
    environment.globals |= {"sources": names.SOURCES, "roles": names.ROLES, "delta_methods": DELTA_METHODS}
    environment.globals["matched"] = matched
    return environment
