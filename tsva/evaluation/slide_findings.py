"""What the slides turned out to be: focus, shift between planes, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tsva.acquisition.draws import bin_weights
from tsva.evaluation.inputs import DataSet, Slide
from tsva.settings.acquisition import PairsSettings

VERDICTS = ("ok", "blank", "edge", "no peak")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
BINS = 40
"""The histogram of focal positions has at most so many bins on either side; what lies farther out is counted apart."""


def focus(slides: Sequence[Slide], pairs: PairsSettings) -> dict[str, Any]:
    """Initial focal positions, and how the other fields' focal positions scatter about them.

    Returns
    -------
    dict
        `slides` (a row a slide), `verdicts` (fields by verdict), `offsets` (all slides together, with the histogram
        that Fig. 5 draws), `assumed_sd_um` and `brightness` (of planes).
    """
    judged = [slide for slide in slides if slide.fields is not None]
    return {
        "assumed_sd_um": pairs.offset_sd_um,
        "slides": [_slide_row(slide) for slide in judged],
        "verdicts": _verdicts(judged),
        "offsets": _offsets(judged, pairs),
        "brightness": _brightness(slides),
    }


def _brightness(slides: Sequence[Slide]) -> dict[str, Any]:
    """Slides whose planes were brought to one brightness, and the field whose planes differ most."""
    found = [
        {"slide": slide.name, "field": row["field"], "brightness_spread": float(row["brightness_spread"])}
        for slide in slides
        for row in _table(slide.ingest).to_dict("records")
        if not pd.isna(row.get("brightness_spread"))
    ]
    matched = [
        slide.name
        for slide in slides
        if any(row.get("brightness_matched") == 1 for row in _table(slide.ingest).to_dict("records"))
    ]
    return {"matched": matched, "widest": max(found, key=lambda row: row["brightness_spread"], default=None)}


def _slide_row(slide: Slide) -> dict[str, Any]:
    found = dict(slide.focus or {})
    fields = _table(slide.fields)
    keys = ("initial_focal_position_um", "focal_offset_mean_um", "focal_offset_sd_um")
    return {
        "slide": slide.name,
        "sample": slide.sample,
        "role": slide.role,
        "source": slide.source,
        "fields": len(fields),
        "usable": int((fields["verdict"] == "ok").sum()),
        **{key: found.get(key) for key in keys},
    }


def _verdicts(slides: Iterable[Slide]) -> list[dict[str, Any]]:
    found = [verdict for slide in slides for verdict in _table(slide.fields)["verdict"]]
    names = [*VERDICTS, *sorted(set(found) - set(VERDICTS))]
    return [{"verdict": name, "fields": found.count(name)} for name in names]


def _offsets(slides: Sequence[Slide], pairs: PairsSettings) -> dict[str, Any]:
    """Focal offsets of all slides, counted in bins one z step wide whose middles are whole steps."""
    usable = [_table(slide.fields).query("verdict == 'ok'") for slide in slides]
    offsets = np.concatenate([np.zeros(0), *(fields["focal_offset_um"].dropna() for fields in usable)])
    step = pairs.z_step_um
    farthest = int(np.ceil(np.max(np.abs(offsets), initial=0) / step))
    reach = min(max(round(pairs.offset_max_um / step), farthest), BINS)
    middles = np.arange(-reach, reach + 1) * step
    counts, _ = np.histogram(offsets, np.append(middles - step / 2, middles[-1] + step / 2))
    return {
        "fields": len(offsets),
        "mean_um": float(offsets.mean()) if len(offsets) else None,
        "sd_um": float(offsets.std(ddof=1)) if len(offsets) > 1 else None,
        "beyond": int(len(offsets) - counts.sum()),
        "histogram": [
            {"focal_offset_um": float(middle), "fields": int(count), "expected_fields": weight * len(offsets)}
            for middle, count, weight in zip(
                middles, counts, bin_weights(middles, pairs.offset_sd_um, step), strict=True
            )
        ],
    }


def drawn_offsets(dataset: DataSet, pairs: PairsSettings) -> list[dict[str, Any]]:
    """How many test patches drew each offset n, beside the Gaussian's share of them."""
    weights = bin_weights(pairs.offsets_um, pairs.offset_sd_um, pairs.z_step_um)
    drawn = dataset.patches["focal_offset_um"].to_numpy(float)
    return [
        {
            "focal_offset_um": offset,
            "patches": int(np.isclose(drawn, offset).sum()),
            "expected_patches": float(weight * len(drawn)),
        }
        for offset, weight in zip(pairs.offsets_um, weights, strict=True)
    ]


def shift(slides: Sequence[Slide]) -> dict[str, Any]:
    """Largest lateral shift of a usable field's planes against its in-focus plane, and where it was found."""
    found: list[dict[str, Any]] = [
        {"slide": slide.name, "field": row["field"], "max_shift_px": row["max_shift_px"]}
        for slide in slides
        for row in _table(slide.fields).to_dict("records")
        if row["verdict"] == "ok" and not pd.isna(row["max_shift_px"])
    ]
    if not found:
        return {"fields": 0, "largest": None, "median_px": None}
    return {
        "fields": len(found),
        "largest": max(found, key=lambda row: row["max_shift_px"]),
        "median_px": float(np.median([row["max_shift_px"] for row in found])),
    }


def excluded(slides: Sequence[Slide]) -> dict[str, Any]:
    """Everything that was left out, once each, and how often each reason was given."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for slide in slides:
        for row in _left_out(slide):
            rows.setdefault((row["slide"], row["field"], str(row["row"]), str(row["column"])), row)
    found = [("field" if row["row"] is None else "patch", row["reason"]) for row in rows.values()]
    alike: dict[tuple[str, str], list[str]] = {}
    for unit, reason in found:
        alike.setdefault((unit, NUMBER.sub("#", reason)), []).append(reason)
    reasons = [{"unit": unit, "reason": merged(given), "number": len(given)} for (unit, _), given in alike.items()]
    return {
        "fields": sum(unit == "field" for unit, _ in found),
        "patches": sum(unit == "patch" for unit, _ in found),
        "reasons": sorted(reasons, key=lambda row: (row["unit"], -row["number"], row["reason"])),
        "list": list(rows.values()),
    }


def merged(reasons: Sequence[str]) -> str:
    """Reasons that differ in their figures alone as one, with ranges where the figures differ."""
    words = NUMBER.split(reasons[0])
    columns = zip(*(NUMBER.findall(reason) for reason in reasons), strict=True)
    ranges = [
        column[0] if len(set(column)) == 1 else f"{min(column, key=float)} to {max(column, key=float)}"
        for column in columns
    ]
    return words[0] + "".join(figure + word for figure, word in zip(ranges, words[1:], strict=True))


def _left_out(slide: Slide) -> Iterable[dict[str, Any]]:
    """Fields that ingest refused, then what pairs left out (or focus, for slides without pairs)."""
    for row in _table(slide.ingest).to_dict("records"):
        if row["reason"]:
            yield _exclusion(slide, "ingest", {**row, "row": None, "column": None})
    if slide.excluded is not None:
        for row in slide.excluded.to_dict("records"):
            yield _exclusion(slide, "pairs", row)
        return
    for row in _table(slide.fields).to_dict("records"):
        if row["verdict"] != "ok":
            yield _exclusion(slide, "focus", {**row, "row": None, "column": None})


def _exclusion(slide: Slide, stage: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    place = {key: None if pd.isna(row[key]) else int(row[key]) for key in ("row", "column")}
    return {"stage": stage, "slide": slide.name, "field": row["field"], **place, "reason": row["reason"]}


def _table(table: pd.DataFrame | None) -> pd.DataFrame:
    return pd.DataFrame() if table is None else table
