"""The pages: the summary put into words, tables and pictures, in files that need nothing else."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from tsva.evaluation import names
from tsva.report import figures, run_figures
from tsva.report.figures import FIGURES
from tsva.report.page_tables import count_table, dataset_tables, nuclei_table, table1
from tsva.report.plots import FigureSet, curve

DRAWN_BY = (figures, run_figures)
"""Modules whose figures the templates call: importing them makes these known."""
TEMPLATES = Path(__file__).parent / "templates"
INSIDE = {"style": "css", "script": "js"}
"""What stands inside each page, and the kind of its file."""
LISTED = 200
"""Left-out fields and patches named one by one; summary.json names them all."""


@dataclass(frozen=True)
class Pages:
    """What a report consists of.

    Attributes
    ----------
    index, inputs : str
        HTML with styles, scripts and pictures inside.
    figures : dict of str to bytes
        SVG, PDF and CSV files of the figures on these pages.
    """

    index: str
    inputs: str
    figures: dict[str, bytes]


def render(
    summary: Mapping[str, Any], pictures: Mapping[str, Any], read: Callable[[str], bytes], processes: int = 1
) -> Pages:
    """Write the pages.

    Parameters
    ----------
    summary, pictures : mapping
        As :func:`tsva.evaluation.summary.evaluate` returns: every number of the pages comes from the summary.
    read : callable
        Content of a picture by the name of its file.
    processes : int
        How many draw the figures.

    Returns
    -------
    Pages
        Names from the data are escaped.
    """
    figure_set = FigureSet(FIGURES)
    made = environment(read, figure_set, matched=summary["focus"]["brightness"]["matched"])
    datasets = [_dataset(summary, dataset, pictures) for dataset in summary["datasets"]]
    facts = {
        "summary": summary,
        "pictures": pictures,
        "datasets": datasets,
        "shown": _shown(summary, datasets),
        "simulated": any(dataset["has_clean"] for dataset in datasets),
        "roles_of_slides": Counter(row["role"] for row in summary["inputs"]),
        "stacks": list(zip(summary["stacks_shown"], pictures["stacks"], strict=True)),
        "fields": list(zip(summary["fields_shown"], pictures["fields"]["fields"], strict=True)),
        "heights": pictures["fields"],
        "listed": LISTED,
        **{name: Markup((TEMPLATES / f"page.{kind}").read_text(encoding="utf-8")) for name, kind in INSIDE.items()},
    }
    texts = [made.get_template(f"{name}.html.jinja").render(facts) for name in ("index", "inputs")]
    index, inputs = figure_set.filled(*texts, processes=processes)
    return Pages(index, inputs, figure_set.files)


def _shown(summary: Mapping[str, Any], datasets: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The pair of pictures of the first screen: the first median of the first data set, before and after."""
    for dataset, answer in zip(datasets, summary["answer"], strict=True):
        rows = dataset["pictures"]["rows"] if dataset["pictures"] else []
        for example, row in zip(dataset["examples"], rows, strict=True):
            images = {picture["method"]: picture["image"] for picture in row["methods"]}
            if example["why"] == "median" and names.NOTHING in images and answer["method"] in images:
                before, after = (images[method] for method in (names.NOTHING, answer["method"]))
                return {"example": example, "before": before, "after": after, "method": answer["method"]}
    return None


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


def environment(read: Callable[[str], bytes], figure_set: FigureSet, matched: Sequence[str]) -> Environment:
    """What templates can use: filters of numbers and names, figures, and the slides that were `matched`."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "plain": names.plain,
        "signed": names.signed,
        "offset": names.offset,
        "offsets": names.offsets,
        "source": lambda source: names.SOURCES.get(source, source),
        "method": names.method_name,
        "dataset": names.dataset_name,
        "listed": names.listed,
        "percent": names.percent,
        "pretty": lambda value: json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1),
        "embedded": lambda name: embedded(name, read(name)),
        "zip": lambda ours, theirs: list(zip(ours, theirs, strict=True)),
        "with_x": lambda lines, x: [(x, line) for line in lines],
        "numbered": lambda values: (list(range(1, len(values) + 1)), values),
        "pixels": lambda name: np.asarray(Image.open(io.BytesIO(read(name))).convert("RGB")),
    }
    made.filters |= filters
    shared: dict[str, Any] = {"roles": names.ROLES, "delta_methods": run_figures.DELTA_METHODS, "matched": matched}
    shared |= {"figures": figure_set, "worse_db": names.WORSE_DB, "curve": curve}
    made.globals.update(shared)
    return made


def embedded(name: str, content: bytes) -> str:
    """A picture's file as a data URI."""
    return f"data:image/{name.rsplit('.', 1)[1]};base64," + base64.b64encode(content).decode("ascii")
