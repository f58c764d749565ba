"""`tsva evaluate`: from the stages' tables to the report's numbers and pictures."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from tsva.atomic import fresh_folder
from tsva.cli.stage_settings import settings_option
from tsva.errors import UserError
from tsva.evaluation.inputs import Advice, DataSet, Inputs, Method, Slide, Training
from tsva.evaluation.names import DATASETS
from tsva.pipeline.run_times import measured_jobs, run_times
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.evaluation import CountSettings, ReportSettings
from tsva.settings.sheet import parse_sheet
from tsva.stage_files import read_array, read_json, read_table, write_table

log = logging.getLogger(__name__)
SHEET_COLUMNS = {"slide", "role", "sample", "source", "tissue", "stain", "microscope"}
"""What the summary says of a slide."""


@click.command()
@settings_option(
    settings=ReportSettings,
    pairs=PairsSettings,
    optics=OpticsSettings,
    count=CountSettings,
    train=dict[str, Any],
    run=dict[str, Any],
)
@click.option("--seed", type=int, required=True, help="Of the run; printed as it is.")
@click.option("--results", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    type=click.Choice(list(DATASETS)),
    help="Test data sets, in the page's order.",
)
@click.option("--method", "methods", multiple=True, help="Methods, in the order of the tables; y1 among them.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--sheet", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Slide sheet.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def command(
    settings: ReportSettings,
    pairs: PairsSettings,
    optics: OpticsSettings,
    count: CountSettings,
    train: dict[str, Any],
    run: dict[str, Any],
    seed: int,
    results: Path,
    datasets: tuple[str, ...],
    methods: tuple[str, ...],
    threads: int,
    sheet: Path | None,
    out: Path,
) -> None:
    """Evaluate the tables of the stages before: summary.json, tables, and the pictures that the report shows."""
    from tsva.evaluation.picture_files import Images
    from tsva.evaluation.summary import evaluate

    if datasets and "y1" not in methods:
        raise UserError(
            "--method",
            got=", ".join(methods) or "none",
            wanted="y1 among the methods, as all are compared with it",
            do="Add --method y1.",
        )
    inputs = Inputs(
        datasets=[_dataset(results, name, methods) for name in datasets],
        slides=_slides(results, datasets, sheet),
        training=[_training(results, method) for method in methods if (results / "train" / method).is_dir()],
        pairs=pairs,
        optics=optics,
        count=count,
        report=settings,
        train=train,
        run=run,
        seed=seed,
        advice=_advice(results / "advise"),
        run_times=run_times(measured_jobs(results)),
    )
    images = Images()
    summary, pictures, tables = evaluate(inputs, images, threads)
    with fresh_folder(out) as folder:
        (folder / "summary.json").write_text(_as_text(summary), encoding="utf-8")
        (folder / "tables").mkdir()
        for name, table in tables.items():
            write_table(folder / "tables" / f"{name}.tsv", table)
        (folder / "images").mkdir()
        for name, content in images.files.items():
            (folder / "images" / name).write_bytes(content)
        (folder / "images" / "index.json").write_text(_as_text(pictures), encoding="utf-8")
    log.info("%s: %d pictures", out, len(images.files))


def _as_text(summary: dict[str, Any]) -> str:
    """Strict JSON with a row of a table on each line, so that two runs can be compared line by line."""

    def dump(value: Any) -> str:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)

    parts = [
        f'"{key}": ' + ("[\n  " + ",\n  ".join(map(dump, value)) + "\n ]" if isinstance(value, list) else dump(value))
        for key, value in summary.items()
    ]
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _dataset(results: Path, name: str, methods: Iterable[str]) -> DataSet:
    patches = read_table(results / "pairs" / f"{name}.tsv")
    stacks = {array: read_array(results / array) for array in dict.fromkeys(patches["array"])}
    return DataSet(name, patches, {method: _method(results, name, method, len(patches)) for method in methods}, stacks)


def _method(results: Path, dataset: str, method: str, patches: int) -> Method:
    folder = results / "refocus" / dataset / method
    counts = results / "count" / dataset / f"{method}.tsv"
    restored = read_array(folder / "restored.npy")
    if len(restored) != patches:
        raise UserError(
            str(folder / "restored.npy"),
            got=f"{len(restored)} patches",
            wanted=f"{patches}, as pairs/{dataset}.tsv has",
            do="Run the refocus stage again.",
        )
    return Method(read_table(folder / "scores.tsv"), restored, read_table(counts) if counts.exists() else None)


def _training(results: Path, network: str) -> Training:
    folder = results / "train" / network
    return Training(network, read_json(folder / "summary.json"), pd.read_csv(_existing(folder / "log.csv")))


def _advice(folder: Path) -> Advice | None:
    """Which distance of shots to scan with, where that stage has run."""
    if not (folder / "summary.json").exists():
        return None
    return Advice(read_table(folder / "delta.tsv"), read_json(folder / "summary.json"))


def _slides(results: Path, datasets: Iterable[str], sheet: Path | None) -> list[Slide]:
    """Slides of the sheet; else those that the tables of pairs name; without these, those that focus has judged."""
    names = ("train", *datasets, "excluded")
    tables = [read_table(path) for name in names if (path := results / "pairs" / f"{name}.tsv").exists()]
    facts: list[dict[Any, Any]] = [{"slide": path.parent.name} for path in sorted(results.glob("focus/*/fields.tsv"))]
    if sheet is not None:
        rows = parse_sheet(sheet.read_text(encoding="utf-8"), str(sheet)).values()
        facts = [row.model_dump(include=SHEET_COLUMNS) for row in rows]
    elif tables:
        columns = [table.reindex(columns=["slide", "role", "sample"]) for table in tables]
        named = pd.concat(columns).drop_duplicates("slide").astype(object)
        facts = named.where(named.notna(), None).to_dict("records")
    left_out = tables[-1] if (results / "pairs" / "excluded.tsv").exists() else None
    patches = pd.concat([table for table in tables if "array" in table] or [pd.DataFrame({"slide": []})])
    return [_slide(results, row, left_out, patches[patches["slide"] == row["slide"]]) for row in facts]


def _slide(results: Path, row: dict[Any, Any], left_out: pd.DataFrame | None, patches: pd.DataFrame) -> Slide:
    name = str(row["slide"])
    ingest, focus = results / "ingest" / name, results / "focus" / name
    return Slide(
        name=name,
        **{key: row.get(key) or None for key in SHEET_COLUMNS - {"slide"}},
        ingest=_table(ingest / "fields.tsv"),
        focus=read_json(focus / "summary.json") if (focus / "summary.json").exists() else None,
        fields=_table(focus / "fields.tsv"),
        levels=_table(ingest / "planes.tsv"),
        planes=_table(focus / "planes.tsv"),
        excluded=None if left_out is None else left_out[left_out["slide"] == name],
        patches=patches if len(patches) else None,
        stacks=read_array(results / patches["array"].iloc[0]) if len(patches) else None,
        surfaces=_surfaces(results / "simulate" / name) if len(patches) else {},
    )


def _table(path: Path) -> pd.DataFrame | None:
    return read_table(path) if path.exists() else None


def _surfaces(folder: Path) -> dict[str, np.ndarray]:
    """True focal surfaces by field; none where the stacks are real."""
    if not (folder / "fields.tsv").exists():
        return {}
    fields = read_table(folder / "fields.tsv")
    known = fields[fields["surface_file"] != ""]
    return {field: read_array(folder / file) for field, file in zip(known["field"], known["surface_file"], strict=True)}


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UserError(
            str(path), got="no such file", wanted="what the stage before writes", do="Run that stage first."
        )
    return path
