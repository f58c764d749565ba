"""Whether fields are fit for training, by the verdicts of the stages themselves, and sharp images for simulation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from tsva.acquisition.brightness import (
    BrightnessRecorder,
    PlaneBrightness,
    check_brightness,
    check_places,
    gains,
    matched,
)
from tsva.acquisition.focus import focus_field
from tsva.acquisition.ingest import assemble, check_positions, check_step, cropped
from tsva.acquisition.pairs import plan
from tsva.acquisition.registration import breathing, drift
from tsva.acquisition.stack import SAME_PIXEL, Stack
from tsva.errors import UserError
from tsva.readers.scale import check_enlarging, reduction_note
from tsva.readers.slide import flat_image, read_sharp_fields
from tsva.readers.source import FieldSource
from tsva.settings.acquisition import PairsSettings
from tsva.settings.root import Settings
from tsva.settings.sheet import SlideRow


@dataclass(frozen=True)
class FieldVerdict:
    """What the stages say of one field.

    Attributes
    ----------
    name : str
        Of the field.
    z_um : tuple of float
        Position of each plane.
    problems : tuple of str
        Why it is not fit; empty if it is.
    refused : bool
        Whether the ingest stage would stop at it, rather than leave it out.
    stack : Stack or None
        Its planes at the common pixel size; None where they couldn't be put together.
    brenner : tuple of float
        Sharpness of each plane; empty without a stack.
    focus_plane : int or None
        The in-focus plane, where there is one to be believed.
    verdict : str
        Of the focus stage.
    patches : int
        That pairs can be cut from.
    left_out : dict of str to int
        Patches that can't, by reason.
    source : FieldSource
        Where it comes from.
    brightness : tuple of PlaneBrightness
        Of each plane as stored; empty where they couldn't be read.
    notes : tuple of str
        What to know though it doesn't make the field unfit.
    scale : tuple of float
        Magnification of each plane over that of the in-focus plane; NaN where it is unknown, empty where no
        plane is in focus.
    digest : str
        Of its pixels.
    is_copy : bool
        Whether another field has the same pixels.
    """

    name: str
    z_um: tuple[float, ...]
    problems: tuple[str, ...]
    refused: bool
    stack: Stack | None
    brenner: tuple[float, ...]
    focus_plane: int | None
    verdict: str
    patches: int
    left_out: dict[str, int]
    source: FieldSource
    brightness: tuple[PlaneBrightness, ...] = ()
    notes: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    digest: str = ""
    is_copy: bool = False


def judge(source: FieldSource, row: SlideRow, settings: Settings) -> FieldVerdict:
    """Judge one field of a z-stack.

    Parameters
    ----------
    source : FieldSource
        The field.
    row : SlideRow
        The row of the sheet that names it.
    settings : Settings
        What it has to be fit for.

    Returns
    -------
    FieldVerdict
        Never raises for what the user can correct: that is among the problems.
    """
    problems = []
    mosaic = source.mosaic_px is not None
    if mosaic and abs(settings.optics.pixel_um / source.pixel_um - 1) > SAME_PIXEL:
        problems.append(f"patches of {source.pixel_um:g} µm per pixel, not optics.pixel_um: they can't be resampled")
    watch = BrightnessRecorder()
    try:
        stack = _read(source, settings, watch)
    except UserError as error:
        return FieldVerdict(
            source.name, source.z_um, (*problems, problem_of(error)), True, None, (), None, "not read", 0, {}, source
        )
    reduced = reduction_note(source.pixel_um, source.pixel_source, settings.optics.pixel_um)
    irregular = _error_of_z(source, settings.protocol)
    problems += [irregular] if irregular else []
    warning = ""
    try:
        warning = check_brightness(watch.planes, source.where, settings.ingest, "train")
    except UserError as error:
        problems.append(problem_of(error))
    if settings.ingest.match_brightness:
        factors = gains(np.array([plane.means for plane in watch.planes]))
        stack = replace(stack, planes=np.stack(list(matched(stack.planes, factors))))
    refused = bool(problems)
    planes, focused, patches = focus_field(
        source.name, stack, settings.protocol.patch_px, source.mosaic_px, settings.focus
    )
    verdict = str(focused["verdict"])
    if verdict != "ok":
        problems.append(f"{verdict}: {focused['reason']}")
    moved = [look(focused, settings.focus.max_edge_shift_px) for look in (drift, breathing) if verdict == "ok"]
    used, left_out = _pairs(source.name, row, stack, focused, patches, settings.protocol)
    of_patches = [reason for reason, whole_field in left_out if not whole_field]
    reasons = Counter(map(_kind, of_patches))
    whole = [reason for reason, whole_field in left_out if whole_field]
    if not whole and not used and reasons:
        whole = [f"no usable patch: {_most_common(of_patches)}"]
    return FieldVerdict(
        source.name,
        source.z_um,
        (*problems, *(whole if verdict == "ok" else ())),
        refused,
        stack,
        tuple(planes["brenner"]),
        int(str(focused["focus_plane"])) if verdict == "ok" else None,
        verdict,
        used,
        dict(reasons),
        source,
        tuple(watch.planes),
        tuple(note for note in (reduced, warning, *moved) if note),
        tuple(planes["scale"]) if verdict == "ok" else (),
        watch.digest,
    )


def _read(source: FieldSource, settings: Settings, watch: BrightnessRecorder) -> Stack:
    """The field's stack as the ingest stage makes it; its planes pass `watch`.

    Raises
    ------
    UserError
        If that stage would refuse it.
    """
    check_enlarging(source.where, source.pixel_um, source.pixel_source, settings.optics.pixel_um)
    check_positions(source.z_um, source.plane_names, source.where, regular=False)
    stack = assemble(
        watch.over(cropped(source.planes, source.where) if settings.ingest.crop_planes else source.planes()),
        source.z_um,
        source.plane_names,
        source.pixel_um,
        source.where,
        common_pixel_um=settings.optics.pixel_um if source.mosaic_px is None else source.pixel_um,
    )
    check_places(watch.planes, source.where)
    return stack


def _kind(reason: str) -> str:
    """A patch's reason without its own numbers, in which patches differ."""
    return re.sub(r"[\d.]+", "…", reason.split(",")[0], count=1)


def _most_common(reasons: Sequence[str]) -> str:
    """The kind of reason that most patches have, in full where they agree in every number."""
    kind = Counter(map(_kind, reasons)).most_common(1)[0][0]
    alike = {reason for reason in reasons if _kind(reason) == kind}
    return alike.pop() if len(alike) == 1 else kind


def judge_all(sources: Sequence[FieldSource], row: SlideRow, settings: Settings) -> list[FieldVerdict]:
    """Judge fields of one slide; one that has the pixels of another is refused, as the ingest stage does."""
    judged: list[FieldVerdict] = []
    for source in sources:
        field = judge(source, row, settings)
        same = next((other.name for other in judged if other.digest == field.digest != ""), None)
        is_even = all(plane.darkest == plane.brightest for plane in field.brightness)  # as overexposed glass is
        if same is not None and not is_even:
            field = replace(
                field, problems=(*field.problems, f"the same pixels as field {same}"), refused=True, is_copy=True
            )
        judged.append(field)
    return judged


def problem_of(error: UserError) -> str:
    """A user's mistake in one line, without the place, which is known."""
    return f"{error.got}; wanted {error.wanted}. {error.do}"


def _error_of_z(source: FieldSource, pairs: PairsSettings) -> str:
    try:
        check_positions(source.z_um, source.plane_names, source.where, regular=True)
        check_step(source.z_um, pairs.z_step_um, source.where)
    except UserError as error:
        return problem_of(error)
    return ""


def _pairs(
    name: str, row: SlideRow, stack: Stack, focused: dict[str, object], patches: pd.DataFrame, pairs: PairsSettings
) -> tuple[int, list[tuple[str, bool]]]:
    """Patches that the pairs stage would cut, and why not the others (and whether that is the whole field).

    Asked with the stack's own step, since another one is a problem that is named already.
    """
    height, width, channels = stack.planes.shape[1:]
    step = stack.z_step_um
    try:
        if step is not None:
            # the settings' own step where they agree, so that a rounding is no other step
            step = pairs.z_step_um if abs(step - pairs.z_step_um) < 0.02 else round(step, 4)
            pairs = PairsSettings.model_validate({**pairs.model_dump(), "z_step_um": step})
    except ValidationError:
        step = None
    if step is None:
        return 0, []
    taken = pd.DataFrame(
        [
            {
                "slide": row.slide,
                "field": name,
                "planes": len(stack.planes),
                "height_px": height,
                "width_px": width,
                "channels": channels,
                "pixel_um": stack.pixel_um,
                "z_step_um": step,
                "reason": "",
            }
        ]
    )
    used, excluded = plan(row, taken, pd.DataFrame([focused]), patches, pairs, seed=0, array="")
    whole = excluded["row"].isna()
    return len(used), [
        (str(reason), bool(all_of_it)) for reason, all_of_it in zip(excluded["reason"], whole, strict=True)
    ]


def has_two_shots(z_um: tuple[float, ...], delta_um: float, tolerance_um: float) -> bool:
    """Whether two planes lie as far apart as the two shots of a slide to refocus."""
    apart = np.subtract.outer(np.array(z_um), np.array(z_um))
    return bool(np.any(np.abs(apart - 2 * delta_um) <= 2 * tolerance_um))


LOOKED_AT = 12
"""Fields of a slide that are read to see whether there is tissue on it."""


@dataclass(frozen=True)
class Sharp:
    """What there is of a sharp image.

    Attributes
    ----------
    pixel_um : float or None
        Of the file.
    fields : tuple of (str, array, str)
        Names, (Y, X, 3) uint8 pixels at the common pixel size, and why they are left out.
    problems : tuple of str
        Why it is not fit; empty if it is.
    notes : tuple of str
        What to know all the same.
    """

    pixel_um: float | None
    fields: tuple[tuple[str, np.ndarray, str], ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def look(path: Path, pixel_um: float | None, settings: Settings, wanted_fields: int) -> Sharp:
    """Look at some fields of an image, spread over it.

    Parameters
    ----------
    path : Path
        The image.
    pixel_um : float or None
        What the sheet would say of the pixel size.
    settings : Settings
        Common pixel size, and size of the fields.
    wanted_fields : int
        Usable ones after which no more are read.

    Returns
    -------
    Sharp
        An image without a known pixel size is looked at as if it had the common one.
    """
    common_um = settings.optics.pixel_um
    said = flat_image(path).pixel
    of_file = said.um
    size_um = pixel_um or of_file
    problems = [] if size_um else [f"{said.doubt or 'no pixel size in the file'}; put it in place of PIXEL_UM"]
    notes = []
    if of_file and not pixel_um and (reduced := reduction_note(of_file, said.source, common_um)):
        notes.append(reduced)
    if size_um and size_um > common_um * (1 + SAME_PIXEL):
        notes.append(
            f"{size_um:.4g} µm per pixel is coarser than optics.pixel_um ({common_um:g}): enlarged, it has no"
            " more detail than before"
        )
    fields: list[tuple[str, np.ndarray, str]] = []
    try:
        # the file's own word stays the file's: it is believed less than the sheet's
        of_sheet = pixel_um if size_um else common_um
        found = read_sharp_fields(path, of_sheet, common_um, settings.simulate.field_px, wanted_fields)
        fields = list(islice(found, LOOKED_AT))
    except UserError as error:
        problems.append(problem_of(error))
    blank = [reason for _, _, reason in fields if reason]
    if fields and len(blank) == len(fields):
        problems.append(f"no usable field among the {len(fields)} looked at ({blank[0]})")
    elif blank:
        notes.append(f"{len(blank)} of the {len(fields)} fields looked at are left out ({blank[0]})")
    return Sharp(of_file, tuple(fields), tuple(problems), tuple(notes))
