"""From z-stacks to pairs of shots: which patches are usable, at what offset, and their planes cut out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tsva.acquisition.draws import draw_offset_um
from tsva.acquisition.stack import Z_TOLERANCE_UM, Stack
from tsva.errors import UserError
from tsva.settings.acquisition import PairsSettings
from tsva.settings.sheet import SlideRow

PATCH_COLUMNS = (
    "index",
    "sample",
    "patient",
    "slide",
    "role",
    "field",
    "row",
    "column",
    "y_px",
    "x_px",
    "pixel_um",
    "channels",
    "focus_z_um",
    "focus_plane",
    "own_focus_plane",
    "own_focus_z_um",
    "target_plane",
    "target_z_um",
    "target_offset_um",
    "focal_offset_um",
    "array",
    "has_clean",
    "draws",
)
EXCLUDED_COLUMNS = ("slide", "role", "field", "row", "column", "reason")


def plan(
    slide: SlideRow,
    ingested: pd.DataFrame,
    focused: pd.DataFrame,
    patches: pd.DataFrame,
    settings: PairsSettings,
    *,
    seed: int,
    array: str,
    unusable: Mapping[str, str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Decide which patches of a slide are used, and say why the others are not.

    Parameters
    ----------
    slide : SlideRow
        The slide's row of the sheet.
    ingested, focused, patches : DataFrame
        ``ingest/<slide>/fields.tsv``, ``focus/<slide>/fields.tsv`` and ``focus/<slide>/patches.tsv``; `focus_z_um` of
        the last is where a patch is in focus, measured or known.
    settings : PairsSettings
        Offsets, patch size and `truth`.
    seed : int
        Of the offsets' draws.
    array : str
        Where the patches' array will lie, relative to the results folder.
    unusable : mapping of str to str, optional
        Fields to leave out for other reasons, and these.

    Returns
    -------
    used : DataFrame
        ``PATCH_COLUMNS``, field by field in the order of `ingested`; no clean images and no draws yet. `target_plane`:
        the plane that a restored patch should be; `target_offset_um`: how far above the truth it lies.
    excluded : DataFrame
        ``EXCLUDED_COLUMNS``; a row a field or patch, or none.

    Raises
    ------
    UserError
        If the planes' step is not the settings', or colour and grey fields are mixed.
    """
    _check_channels(slide.slide, ingested)
    verdicts = {str(row["field"]): row for row in focused.to_dict("records")}
    by_field = {str(name): rows.to_dict("records") for name, rows in patches.groupby("field")}
    used: list[dict[str, object]] = []
    excluded: list[dict[str, object]] = []

    def leave_out(field: str, reason: str, row: int | None = None, column: int | None = None) -> None:
        excluded.append(
            {"slide": slide.slide, "role": slide.role, "field": field, "row": row, "column": column, "reason": reason}
        )

    for taken in ingested.to_dict("records"):
        field = str(taken["field"])
        reason = _text(taken["reason"]) or _why_not(slide.slide, taken, verdicts.get(field), settings)
        reason = reason or (unusable or {}).get(field, "")
        if not reason and field not in by_field:
            reason = f"smaller than one patch of {settings.patch_px}×{settings.patch_px} pixels"
        if reason:
            leave_out(field, reason)
            continue
        for patch in by_field[field]:
            row, column = int(patch["row"]), int(patch["column"])
            if patch["verdict"] != "ok":
                leave_out(field, _text(patch["reason"]) or str(patch["verdict"]), row, column)
                continue
            target = target_plane(verdicts[field], patch, settings)
            too_few = _too_few_planes(target, int(taken["planes"]), settings)
            if too_few:
                leave_out(field, too_few, row, column)
                continue
            target_z_um = _position_um(verdicts[field], target, settings)
            own_z_um = float(patch["focus_z_um"])
            used.append(
                {
                    "index": len(used),
                    "sample": slide.sample,
                    "patient": slide.patient,
                    "slide": slide.slide,
                    "role": slide.role,
                    "field": field,
                    "row": row,
                    "column": column,
                    "y_px": int(patch["y_px"]),
                    "x_px": int(patch["x_px"]),
                    "pixel_um": float(taken["pixel_um"]),
                    "channels": int(taken["channels"]),
                    "focus_z_um": float(verdicts[field]["focus_z_um"]),
                    "focus_plane": int(verdicts[field]["focus_plane"]),
                    "own_focus_plane": int(patch["focus_plane"]),
                    "own_focus_z_um": own_z_um,
                    "target_plane": target,
                    "target_z_um": target_z_um,
                    "target_offset_um": target_z_um - own_z_um if settings.truth == "patch" else 0.0,
                    "focal_offset_um": draw_offset_um(seed, slide.slide, field, row, column, settings),
                    "array": array,
                    "has_clean": 0,
                    "draws": 0,
                }
            )
    left_out = pd.DataFrame(excluded, columns=list(EXCLUDED_COLUMNS))
    return pd.DataFrame(used, columns=list(PATCH_COLUMNS)), left_out.astype({"row": "Int64", "column": "Int64"})


def _why_not(slide: str, taken: dict, verdict: dict | None, settings: PairsSettings) -> str:
    """Why a whole field can't be used, or nothing."""
    if verdict is None:
        return "was not judged for focus"
    if verdict["verdict"] != "ok":
        return _text(verdict["reason"]) or str(verdict["verdict"])
    step = taken["z_step_um"]
    if pd.isna(step) or abs(float(step) - settings.z_step_um) > Z_TOLERANCE_UM:
        raise UserError(
            f"slide {slide}, field {taken['field']}",
            got="planes at irregular distances" if pd.isna(step) else f"a z step of {float(step):g} µm",
            wanted=f"planes every {settings.z_step_um:g} µm (acquisition.z_step_um)",
            do="Set acquisition.z_step_um to the stacks' step, or take the slide out of the sheet.",
        )
    if settings.truth == "field":
        return _too_few_planes(int(verdict["focus_plane"]), int(taken["planes"]), settings)
    return ""


def target_plane(verdict: Mapping, patch: Mapping, settings: PairsSettings) -> int:
    """The plane that a restored patch should be: the nearest to the patch's own focus, or the field's.

    Parameters
    ----------
    verdict, patch : mapping
        A field's row of ``focus/<slide>/fields.tsv`` and a patch's of ``focus/<slide>/patches.tsv``.
    settings : PairsSettings
    """
    plane = int(verdict["focus_plane"])
    if settings.truth == "field":
        return plane
    return plane + round((float(patch["focus_z_um"]) - float(verdict["focus_z_um"])) / settings.z_step_um)


def _position_um(verdict: Mapping, plane: int, settings: PairsSettings) -> float:
    return float(verdict["focus_z_um"]) + (plane - int(verdict["focus_plane"])) * settings.z_step_um


def _too_few_planes(plane: int, planes: int, settings: PairsSettings) -> str:
    reach, below, above = settings.reach_planes, plane, planes - 1 - plane
    if min(below, above) < reach:
        return (
            f"too few planes about the in-focus plane: {below} below and {above} above, "
            f"offsets to ±{settings.offset_max_um:g} µm need {reach} on either side"
        )
    return ""


def cut(planes: np.ndarray, patches: pd.DataFrame, patch_px: int) -> np.ndarray:
    """Cut the patches of one field.

    Parameters
    ----------
    planes : (..., Y, X, C) array
        Images of one field.
    patches : DataFrame
        `y_px` and `x_px` of the patches' upper left corners.
    patch_px : int
        Edge of a patch.

    Returns
    -------
    (patch, ..., patch_px, patch_px, C) array
        In the table's order.

    Raises
    ------
    ValueError
        If a patch reaches out of the images.
    """
    height, width = planes.shape[-3:-1]
    corners = patches[["y_px", "x_px"]].to_numpy(dtype=int)
    if len(corners) and (corners.min() < 0 or np.any(corners + patch_px > (height, width))):
        raise ValueError(f"a patch of {patch_px} pixels reaches out of images of {height}×{width} pixels")
    out = np.empty((len(corners), *planes.shape[:-3], patch_px, patch_px, planes.shape[-1]), planes.dtype)
    for patch, (y, x) in zip(out, corners, strict=True):
        patch[...] = planes[..., y : y + patch_px, x : x + patch_px, :]
    return out


def reachable_planes(stack: Stack, focus_plane: int, settings: PairsSettings) -> np.ndarray:
    """The planes that offsets can reach, (Z, Y, X, C), the target in the middle."""
    reach = settings.reach_planes
    if not reach <= focus_plane < len(stack.planes) - reach:
        raise ValueError(f"plane {focus_plane} of {len(stack.planes)} has fewer than {reach} planes on one side")
    return stack.planes[focus_plane - reach : focus_plane + reach + 1]


def alignments(
    planes: pd.DataFrame, focused: pd.DataFrame, patches: pd.DataFrame, settings: PairsSettings
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """How the planes that offsets can reach lie against the field's in-focus plane, field by field.

    Parameters
    ----------
    planes, focused, patches : DataFrame
        ``focus/<slide>/planes.tsv``, ``focus/<slide>/fields.tsv`` and ``focus/<slide>/patches.tsv``.
    settings : PairsSettings

    Returns
    -------
    reachable : dict of str to DataFrame
        `plane`, `scale_trend`, `shift_y_px` and `shift_x_px` of the planes that a field's patches can reach.
    unusable : dict of str to str
        Fields where a plane could not be aligned, and why they are left out.
    """
    reachable, unusable = {}, {}
    verdicts = {str(row["field"]): row for row in focused.to_dict("records") if row["verdict"] == "ok"}
    targets: dict[str, list[int]] = {}
    for patch in patches[patches["verdict"] == "ok"].to_dict("records"):
        if str(patch["field"]) in verdicts:
            targets.setdefault(str(patch["field"]), []).append(
                target_plane(verdicts[str(patch["field"])], patch, settings)
            )
    for name, rows in planes.groupby("field"):
        field = str(name)
        if field not in targets:
            continue
        first, last = min(targets[field]) - settings.reach_planes, max(targets[field]) + settings.reach_planes
        near = rows[rows["plane"].between(first, last)]
        reachable[field] = near[["plane", "scale_trend", "shift_y_px", "shift_x_px"]]
        unknown = near[near[["scale_trend", "shift_y_px"]].isna().any(axis=1)]
        if len(unknown):
            z_um = float(unknown["z_um"].iloc[0])
            unusable[field] = f"the plane at z = {z_um:g} µm can't be aligned with the in-focus plane"
    return reachable, unusable


def plane_at(stack: Stack, z_um: float) -> np.ndarray | None:
    """The plane at a stage position, (Y, X, C), or None where the stack has none there."""
    nearest = int(np.argmin(np.abs(stack.z_um - z_um)))
    return stack.planes[nearest] if abs(stack.z_um[nearest] - z_um) <= Z_TOLERANCE_UM else None


def _check_channels(slide: str, ingested: pd.DataFrame) -> None:
    usable = ingested[ingested["reason"].map(_text) == ""]
    kinds = usable.drop_duplicates("channels")
    if len(kinds) > 1:
        names = " and ".join(f"{row['channels']} in field {row['field']}" for row in kinds.to_dict("records"))
        raise UserError(
            f"slide {slide}",
            got=f"{names} channels",
            wanted="grey or colour fields, not both",
            do="Make slides of their own of them.",
        )


def _text(cell: object) -> str:
    """A table's cell as text; an empty one reads as NaN."""
    return cell if isinstance(cell, str) else ""
