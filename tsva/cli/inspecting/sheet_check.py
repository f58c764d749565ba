"""A whole sheet inspected: what is known of each field, and a traffic light for each slide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tsva.cli.inspecting.fitness import FieldVerdict, judge_all, look, problem_of
from tsva.errors import UserError
from tsva.pipeline.leaks import Contents, check_leaks
from tsva.pipeline.plan import sheet_text
from tsva.readers.fields import find_fields
from tsva.readers.registry import files_at, matching
from tsva.readers.source import facts_of, files_of
from tsva.settings.root import Settings
from tsva.settings.sheet import SlideRow, parse_sheet

GREEN, AMBER, RED = "green", "amber", "red"
"""Fit; fit with something to know, or for refocusing alone; not fit as it is."""


def as_facts(field: FieldVerdict) -> dict[str, object]:
    """All that is known of a field, as JSON holds it."""
    return {
        **facts_of(field.source),
        "verdict": field.verdict,
        "focus_z_um": None if field.focus_plane is None else field.z_um[field.focus_plane],
        "brightness": [list(plane.means) for plane in field.brightness],
        "brenner": list(field.brenner),
        "scale": [None if np.isnan(scale) else scale for scale in field.scale],
        "patches": field.patches,
        "warnings": list(field.notes),
        "problems": list(field.problems),
    }


def look_at_sheet(path: Path, settings: Settings, most: int) -> list[dict[str, Any]]:
    """Look at all slides of a sheet that name files.

    Parameters
    ----------
    path : Path
        The sheet.
    settings : Settings
        What slides have to be fit for.
    most : int
        Fields of a slide that are read.

    Returns
    -------
    list of dict
        A slide each: its name, how many fields, its light, the reasons, and facts of the fields that were read; one
        more for the sheet, if it names an image in two rows.

    Raises
    ------
    UserError
        If the sheet itself is wrong.
    """
    rows = parse_sheet(sheet_text(path), str(path))
    files = {row.slide: files_at(path.parent / row.path) if row.path else [] for row in rows.values()}
    slides = [_slide(row, path.parent, settings, most) for row in rows.values() if row.path]
    try:
        check_leaks(rows, files, path, Contents())
    except UserError as error:
        twice = f"{error.where}: {problem_of(error)}"
        slides.append({"slide": "the sheet", "fields": 0, "light": RED, "reasons": [twice]})
    return slides


def _slide(row: SlideRow, folder: Path, settings: Settings, most: int) -> dict[str, Any]:
    try:
        if row.source == "image":
            return _sharp(row, folder, settings, most)
        sources = find_fields(row, folder, settings.ingest.max_field_px)
    except UserError as error:
        return {"slide": row.slide, "fields": 0, "light": RED, "reasons": [f"{error.where}: {problem_of(error)}"]}
    judged = judge_all(sources[:most], row, settings)
    refused = [f"{field.name}: {problem}" for field in judged if field.refused for problem in field.problems]
    usable = [field for field in judged if not field.problems]
    others = [f"{field.name}: {field.problems[0]}" for field in judged if field.problems and not field.refused]
    notes = list(dict.fromkeys(note for field in judged for note in field.source.notes))
    notes += [f"{field.name}: {note}" for field in judged for note in field.notes]
    light = RED if refused or not usable else AMBER if others or notes else GREEN
    return {
        "slide": row.slide,
        "fields": len(sources),
        "files": files_of(row, folder, sources),
        "light": light,
        "reasons": refused + others + notes,
        "read": [as_facts(field) for field in judged],
    }


def _sharp(row: SlideRow, folder: Path, settings: Settings, most: int) -> dict[str, Any]:
    problems, notes = [], []
    for file in matching(folder / row.path, f"slide {row.slide}"):
        found = look(file, row.pixel_um, settings, most)
        problems += [f"{file.name}: {problem}" for problem in found.problems]
        notes += [f"{file.name}: {note}" for note in found.notes]
    light = RED if problems else AMBER if notes else GREEN
    return {"slide": row.slide, "fields": row.fields or 0, "light": light, "reasons": problems + notes}


def worst(slides: Iterable[Mapping[str, object]]) -> str:
    """The light of them all."""
    lights = {slide["light"] for slide in slides}
    return next((light for light in (RED, AMBER) if light in lights), GREEN)
