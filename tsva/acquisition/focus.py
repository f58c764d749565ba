"""The in-focus plane of fields and patches, and when not to believe it.

The in-focus plane is the one with the largest Brenner gradient. The gradient rises with the square of brightness, and
lamps and exposure times vary from plane to plane: by default all planes are measured at the same brightness. Camera
noise has a Brenner gradient of its own, so on blank glass the maximum is arbitrary: places without tissue, curves
without a clear peak, and maxima at the end of a stack are distinguished here and left out later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.signal import find_peaks, peak_prominences

from tsva.acquisition.brightness import gains
from tsva.acquisition.registration import Alignment, align, scale_trend
from tsva.acquisition.sharpness import LAG_PX, TISSUE_FACTOR, differences, grey, mean_square, noise_floor, structure
from tsva.acquisition.stack import Place, Stack, places
from tsva.settings.ingest import FocusSettings

NOISE_ERROR = 0.1
"""Error of the noise floor, as a share of it: between white noise and interpolated colours, and as lamps drift."""

PATCH_COLUMNS = (
    "field",
    "row",
    "column",
    "y_px",
    "x_px",
    "verdict",
    "reason",
    "focus_plane",
    "focus_z_um",
    "peak_ratio",
    "tissue_fraction",
)


@dataclass(frozen=True)
class Verdict:
    """Whether a sharpness curve is evidence of focus.

    Attributes
    ----------
    verdict : str
        ok, blank, edge or no peak.
    reason : str
        Empty if ok.
    plane : int
        The sharpest plane.
    peak_ratio : float
        Its Brenner gradient over the median plane's, both less the noise.
    tissue_fraction : float
        Share of the area with structure beyond noise, in the sharpest plane.
    """

    verdict: str
    reason: str
    plane: int
    peak_ratio: float
    tissue_fraction: float


@dataclass(frozen=True)
class Sharpness:
    """What a field's planes measure.

    Attributes
    ----------
    field : (Z,) float array
        Brenner gradient of the whole field.
    patches : (Z, patch) float array
        Brenner gradient of each patch.
    blocks : (Z, patch, block) float array
        `structure` of each patch's blocks.
    floor : float
        What camera noise adds to each of the others.
    """

    field: np.ndarray
    patches: np.ndarray
    blocks: np.ndarray
    floor: float


def measure(
    planes: np.ndarray, grid: Sequence[Place], patch_px: int, mosaic_px: int | None, gains: np.ndarray | None = None
) -> Sharpness:
    """Measure a field's sharpness plane by plane.

    Parameters
    ----------
    planes : (Z, Y, X, C) uint8 array
        May be mapped from a file.
    grid : sequence of Place
        Patches to measure, at least one.
    patch_px : int
        Their edge.
    mosaic_px : int or None
        If the field is a mosaic: the edge of its parts. No difference is taken across their seams.
    gains : (Z,) float array, optional
        What brings each plane to the common brightness (`brightness.gains`); all 1 without. One factor a plane, of the
        whole field: a patch's own mean changes with defocus, as light crosses its border.

    Returns
    -------
    Sharpness
        In squared grey levels of the common brightness. Its floor is measured on what neighbouring planes do not
        share: noise is new in each plane, while tissue that fills a field hardly changes between two planes that lie
        close together or far from focus.

    Raises
    ------
    ValueError
        If there are fewer than two planes.
    """
    if len(planes) < 2:
        raise ValueError("one plane alone shows nothing of its focus")
    field, patches, blocks, floors = [], [], [], []
    before: list[np.ndarray] = []
    for number, plane in enumerate(planes):
        values = differences(plane)
        if gains is not None:
            values *= np.float32(gains[number])
        cut = [values[p.y_px : p.y_px + patch_px, p.x_px : p.x_px + patch_px - LAG_PX] for p in grid]
        patches.append([mean_square(part) for part in cut])
        blocks.append([structure(part).ravel() for part in cut])
        field.append(mean_square(values) if mosaic_px is None else _mean_of_parts(values, mosaic_px))
        if before:
            # the difference of two planes has the noise of both
            changes = [structure(new - old) / 2 for new, old in zip(cut, before, strict=True)]
            floors.append(noise_floor(np.array(changes)))
        before = cut
    return Sharpness(np.array(field), np.array(patches), np.array(blocks), min(floors))


def _mean_of_parts(values: np.ndarray, edge: int) -> float:
    corners = places(values.shape[0], values.shape[1] + LAG_PX, edge)
    parts = [values[p.y_px : p.y_px + edge, p.x_px : p.x_px + edge - LAG_PX] for p in corners]
    return float(np.mean([mean_square(part) for part in parts]))


def judge(curve: np.ndarray, tissue: float, floor: float, settings: FocusSettings) -> Verdict:
    """Decide whether the maximum of a sharpness curve is the focus.

    Parameters
    ----------
    curve : (Z,) float array
        Brenner gradient of each plane.
    tissue : float
        Share of the area that shows structure in the sharpest plane.
    floor : float
        What noise alone adds to the curve.
    settings : FocusSettings
        Thresholds.

    Returns
    -------
    Verdict
        The first of blank, edge and no peak that applies, else ok.
    """
    plane = int(np.argmax(curve))
    height = max(float(curve[plane]) - floor, 0.0)
    # a median plane that is nothing but noise would make the ratio as large as noise is small
    ratio = height / max(float(np.median(curve)) - floor, floor * NOISE_ERROR)
    second = _second_peak(curve, plane)
    verdict, reason = "ok", ""
    if tissue < settings.min_tissue_fraction:
        verdict, reason = "blank", f"tissue on {tissue:.1%} of its area, less than {settings.min_tissue_fraction:.1%}"
    elif plane in (0, len(curve) - 1):
        verdict, reason = "edge", f"sharpest in the stack's {'first' if plane == 0 else 'last'} plane"
    elif ratio < settings.min_peak_ratio:
        verdict = "no peak"
        reason = f"sharpest plane {ratio:.2f} times as sharp as the median one, less than {settings.min_peak_ratio:g}"
    elif second > settings.max_second_peak * height:
        verdict, reason = "no peak", f"a second maximum stands out by {second / height:.0%} of the first"
    return Verdict(verdict, reason, plane, ratio, tissue)


def between_planes_um(curve: np.ndarray, z_um: np.ndarray, plane: int) -> float:
    """Where a sharpness curve has its maximum: the vertex of the parabola through three planes.

    Parameters
    ----------
    curve : (Z,) float array
        Sharpness of each plane.
    z_um : (Z,) float array
        Positions of the planes, rising.
    plane : int
        The sharpest one.

    Returns
    -------
    float
        Position, at most half a step from the plane; the plane's own at either end of the stack.
    """
    if not 0 < plane < len(curve) - 1:
        return float(z_um[plane])
    steps_um = np.diff(z_um[plane - 1 : plane + 2])
    slopes = np.diff(curve[plane - 1 : plane + 2]) / steps_um
    bend = (slopes[1] - slopes[0]) / steps_um.sum()
    if bend >= 0:
        return float(z_um[plane])
    beside_um = -steps_um[0] / 2 - slopes[0] / (2 * bend)
    return float(z_um[plane] + np.clip(beside_um, -steps_um[0] / 2, steps_um[1] / 2))


def _second_peak(curve: np.ndarray, plane: int) -> float:
    """How far the highest maximum beside the first one stands above the valley between; 0 without one."""
    others = [peak for peak in find_peaks(curve)[0] if peak != plane]
    return float(max(peak_prominences(curve, others)[0], default=0.0))


def alignment(planes: np.ndarray, plane: int, place: Place, patch_px: int, mosaic_px: int | None) -> Alignment:
    """Shift and scale of each plane against the in-focus plane (`registration.align`).

    Parts of a mosaic do not continue each other: there the patch at `place` stands for the field, and scale, which
    needs the field's extent, is NaN.
    """
    if mosaic_px is None:
        return align(planes, plane)
    patch = planes[:, place.y_px : place.y_px + patch_px, place.x_px : place.x_px + patch_px]
    found = align(patch, plane)
    return Alignment(np.full(len(planes), np.nan), found.shift_px)


def focus_field(
    field: str, stack: Stack, patch_px: int, mosaic_px: int | None, settings: FocusSettings
) -> tuple[pd.DataFrame, dict[str, object], pd.DataFrame]:
    """Find the in-focus plane of a field and of its patches.

    Parameters
    ----------
    field : str
        Its name.
    stack : Stack
        Its planes.
    patch_px : int
        Edge of the patches that are judged: those that pairs are cut at.
    mosaic_px : int or None
        If the field is a mosaic: the edge of its parts, a multiple of `patch_px`.
    settings : FocusSettings
        Thresholds.

    Returns
    -------
    planes : DataFrame
        ``field``, ``plane``, ``z_um``, ``brightness`` (mean grey level), ``brenner`` (at the planes' median brightness
        where it is normalised), ``shift_y_px``, ``shift_x_px``, ``scale``, ``scale_trend``.
    row : dict
        The field's verdict; `focal_offset_um` is left to `summarise`.
    patches : DataFrame
        The patches' verdicts; no rows if the field is smaller than a patch.
    """
    height, width = stack.planes.shape[1:3]
    grid = list(places(height, width, patch_px))
    judged, edge = (grid, patch_px) if grid else ([Place(0, 0, 0, 0)], min(height, width))
    brightness = np.array([grey(plane).mean(dtype=np.float64) for plane in stack.planes])
    normalised = settings.sharpness == "normalised_brenner"
    measured = measure(stack.planes, judged, edge, mosaic_px, gains(brightness) if normalised else None)
    # a patch judges its own sharpest plane, as the focal surface is not flat
    own = measured.patches.argmax(axis=0)
    tissue = np.mean(measured.blocks > TISSUE_FACTOR * measured.floor, axis=2)
    verdicts = [
        judge(measured.patches[:, i], float(tissue[plane, i]), measured.floor, settings) for i, plane in enumerate(own)
    ]
    best = max(verdict.tissue_fraction for verdict in verdicts)
    whole_field = judge(measured.field, best, measured.floor, settings)
    sharpest = judged[int(measured.patches[whole_field.plane].argmax())]
    found = alignment(stack.planes, whole_field.plane, sharpest, edge, mosaic_px)
    trend = scale_trend(found.scale, stack.z_um, whole_field.plane)
    planes = pd.DataFrame(
        {
            "field": field,
            "plane": range(len(stack.z_um)),
            "z_um": stack.z_um,
            "brightness": brightness,
            "brenner": measured.field,
            "shift_y_px": found.shift_px[:, 0],
            "shift_x_px": found.shift_px[:, 1],
            "scale": found.scale,
            "scale_trend": trend,
        }
    )
    reason = whole_field.reason
    if whole_field.verdict == "blank":
        reason = f"even its best patch has {whole_field.reason}"
    row: dict[str, object] = {
        "field": field,
        "verdict": whole_field.verdict,
        "reason": reason,
        "focus_plane": whole_field.plane,
        "focus_z_um": stack.z_um[whole_field.plane],
        "peak_ratio": whole_field.peak_ratio,
        "tissue_fraction": float(tissue[whole_field.plane].mean()),
        "max_shift_px": float(np.nanmax(np.hypot(*found.shift_px.T))),
        "max_edge_shift_px": float(np.abs(trend - 1).max() * max(height, width) / 2),
    }
    patches = pd.DataFrame(
        [
            _patch_row(field, place, verdict, between_planes_um(curve, stack.z_um, verdict.plane))
            for place, verdict, curve in zip(grid, verdicts, measured.patches.T, strict=False)
        ],
        columns=list(PATCH_COLUMNS),
    )
    return planes, row, patches


def _patch_row(field: str, place: Place, verdict: Verdict, focus_z_um: float) -> dict[str, object]:
    return {
        "field": field,
        "row": place.row,
        "column": place.column,
        "y_px": place.y_px,
        "x_px": place.x_px,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "focus_plane": verdict.plane,
        "focus_z_um": focus_z_um,
        "peak_ratio": verdict.peak_ratio,
        "tissue_fraction": verdict.tissue_fraction,
    }


def summarise(
    fields: pd.DataFrame, assumed_sd_um: float, *, shared_z: bool = True
) -> tuple[pd.DataFrame, dict[str, object]]:
    """The slide's initial focal position F, and how its other fields' focal positions scatter about it.

    Parameters
    ----------
    fields : DataFrame
        `verdict` and `focus_z_um` of the slide's fields, in the order in which they were taken.
    assumed_sd_um : float
        Standard deviation that pairs draw their offsets with.
    shared_z : bool
        Whether all fields' positions are on one scale, the stage's. If not, there are no focal offsets.

    Returns
    -------
    fields : DataFrame
        With `focal_offset_um`: focus less F, empty for the first usable field (which gave F) and unusable ones.
    summary : dict
        For ``summary.json``; None where there are too few usable fields (F needs one, a mean two, a deviation three).
    """
    usable = fields["verdict"] == "ok"
    positions = fields.loc[usable, "focus_z_um"].astype(float)
    first = float(positions.iloc[0]) if len(positions) else None
    offsets = (positions.iloc[1:] if shared_z else positions.iloc[:0]) - (first or 0.0)
    summary: dict[str, object] = {
        "initial_focal_position_um": first,
        "fields": len(fields),
        "usable": int(usable.sum()),
        "focal_offsets": len(offsets),
        "focal_offset_mean_um": float(offsets.mean()) if len(offsets) else None,
        "focal_offset_sd_um": float(offsets.std(ddof=1)) if len(offsets) > 1 else None,
        "assumed_sd_um": assumed_sd_um,
    }
    return fields.assign(focal_offset_um=offsets.reindex(fields.index)), summary
