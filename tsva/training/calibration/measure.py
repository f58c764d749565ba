"""Everything that z-stacks show of a microscope, measured in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.optics.pupil import depth_of_field_um, travel_per_depth
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.constants import Aperture, Fit, fit_constants
from tsva.training.calibration.delta import Delta, best_delta
from tsva.training.calibration.noise import Noise, measure_noise
from tsva.training.calibration.prepared import MOST_SPREAD, Field, prepare, spread_of
from tsva.training.calibration.spectra import Windows, measure_windows

REACH_FIELDS = 5.0
"""Planes up to so many depths of field from focus are used."""
LEAST_REACH_FIELDS = 1.0
FIELDS_FOR_SPREAD = 5
"""From which the scatter of focal positions between fields is believed."""
MOST_RESIDUAL = 0.25
"""Relative difference of measured and modelled spectra above which the model is said not to fit."""
THICK_FIELDS = 2.0
LEAST_PATTERN = 0.1
"""Of the noise that is new in each plane: less fixed-pattern noise than this is not worth a remark."""
SAME = 0.02
FAR, HIGH, NOTHING_LEFT = 0.6, 0.35, 1e-3
"""Where fixed-pattern noise is looked for: planes beyond this share of the reach, above so many periods a pixel, where
less than this share of the power in focus is left."""


@dataclass(frozen=True)
class Pattern:
    """Noise that all planes share: structure of the camera, dirt on it. ``sd`` and its error in grey levels of 255."""

    sd: float
    standard_error: float


@dataclass(frozen=True)
class FocalSpread:
    """How focal positions scatter.

    Attributes
    ----------
    within_sd_um : float or None
        Between windows of one field; None for a single window.
    between_sd_um : float or None
        Between fields; None where there are too few on one scale.
    tilt_um_per_mm : (field, 2) float array
        Slope of each field's focal surface along y and x; NaN where windows are too few.
    """

    within_sd_um: float | None
    between_sd_um: float | None
    tilt_um_per_mm: np.ndarray


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes
    ----------
    nominal : OpticsSettings
        What the user said.
    fields : tuple of Field
    noise : Noise
    pattern : Pattern or None
        None where optics leave no frequency to measure it at.
    windows : Windows
    fit : Fit
    trusted : bool
        Whether the fitted optics are to be used in place of the nominal ones.
    spread : FocalSpread
    delta : Delta
    remarks : tuple of str
    """

    nominal: OpticsSettings
    fields: tuple[Field, ...]
    noise: Noise
    pattern: Pattern | None
    windows: Windows
    fit: Fit
    trusted: bool
    spread: FocalSpread
    delta: Delta
    remarks: tuple[str, ...]

    @property
    def optics(self) -> OpticsSettings:
        """To be used from now on."""
        return self.fit.constants.optics if self.trusted else self.nominal

    @property
    def thickness_um(self) -> float:
        """Of the section, in the mountant where its index is known, else in stage travel."""
        return self.fit.constants.thickness_um / travel_per_depth(self.optics)


def measure(
    stacks: Sequence[tuple[str, Stack]],
    optics: OpticsSettings,
    *,
    aperture: Aperture | Literal["auto"] = "auto",
    offset_sd_um: float | None = None,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Measure microscope and section from full z-stacks of tissue.

    Parameters
    ----------
    stacks : sequence of (str, Stack)
        Names and stacks; of one pixel size, one z step, and all grey or all colour.
    optics : OpticsSettings
        The nominal ones; their pixel size is replaced by the stacks'.
    aperture : str
        What is looked for: ``na``, ``condenser_ratio``, or ``auto``: the condenser's where it is given, else the
        objective's.
    offset_sd_um : float, optional
        Spread of focal offsets that δ is to suit. By default that between the fields, if there are enough of them; else
        one depth of field.
    seed : int
        Of windows and bootstrap.
    progress : callable
        Called with what is done next.

    Raises
    ------
    UserError
        If stacks differ in kind, or there is too little to measure.
    """
    if not stacks:
        raise UserError("stacks", got="none", wanted="at least one z-stack", do="Name a stack.")
    _check_alike(stacks)
    optics = optics.model_copy(update={"pixel_um": stacks[0][1].pixel_um})
    field_um = depth_of_field_um(optics)
    progress("focus, brightness, alignment")
    fields, remarks = _prepared(stacks, field_um)
    reach_um = min(max(-field.z_um[0], field.z_um[-1]) for field in fields)
    if reach_um < LEAST_REACH_FIELDS * field_um:
        raise UserError(
            fields[0].name,
            got=f"planes up to {reach_um:g} µm from focus",
            wanted=f"at least the depth of field, {LEAST_REACH_FIELDS * field_um:.2g} µm at NA {optics.na:g}",
            do="Take the stack farther up and down, or correct the aperture (optics.na) and the z step.",
        )
    progress("noise")
    noise = measure_noise([field.captured for field in fields], seed)
    variance = np.square(noise.sd / 255)
    progress("spectra")
    windows = measure_windows(fields, variance, REACH_FIELDS * field_um, seed)
    progress("optics and section")
    wanted: Aperture = ("na" if optics.condenser is None else "condenser_ratio") if aperture == "auto" else aperture
    if wanted == "condenser_ratio" and optics.model == "paper":
        raise UserError(
            "optics.model", got="paper", wanted="born_wolf or debye, which know a condenser", do="Change it."
        )
    fit = fit_constants(windows, optics, wanted, seed)
    spread = _spread(fields, windows)
    if offset_sd_um is None:
        offset_sd_um = spread.between_sd_um
    trusted = not fit.at_limit and fit.residual <= MOST_RESIDUAL
    if not offset_sd_um:
        field_um = depth_of_field_um(fit.constants.optics if trusted else optics)
        offset_sd_um = field_um
        remarks.append(
            f"the focal spread between fields is not known from {len(fields)} stack{'s' * (len(fields) != 1)}; δ holds"
            f" for a spread of one depth of field, {field_um:.2g} µm"
        )
    progress("best distance of the shots")
    delta = best_delta(fit, windows, variance, offset_sd_um, fields[0].z_step_um)
    pattern = _pattern(fields, windows, fit)
    remarks += _remarks(fit, optics, pattern, noise, trusted)
    return Measured(
        optics, tuple(fields), noise, pattern, windows, fit, trusted, spread, delta, tuple(dict.fromkeys(remarks))
    )


def _check_alike(stacks: Sequence[tuple[str, Stack]]) -> None:
    """Refuse stacks that can't be measured together."""
    name, first = stacks[0]
    for other, stack in stacks[1:]:
        for key, one, two in (
            ("channels", first.planes.shape[3], stack.planes.shape[3]),
            ("µm a pixel", first.pixel_um, stack.pixel_um),
            ("µm between planes", first.z_step_um, stack.z_step_um),
        ):
            if one is None or two is None or abs(two / one - 1) > SAME:
                raise UserError(
                    other,
                    got=f"{two if two is None else format(two, 'g')} {key}",
                    wanted=f"{one if one is None else format(one, 'g')}, as {name} has",
                    do="Calibrate each kind of stack by itself.",
                )


def _prepared(stacks: Sequence[tuple[str, Stack]], depth_of_field_um: float) -> tuple[list[Field], list[str]]:
    """Those that can be used, and what to say of them; where none can, the reason why not is the error."""
    fields, reasons = [], []
    for name, stack in stacks:
        try:
            fields.append(prepare(stack, name, depth_of_field_um))
        except UserError as error:
            reasons.append(error)
    if not fields:
        raise reasons[0]
    remarks = []
    if reasons:
        listed = "; ".join(str(reason) for reason in reasons[:3])
        remarks.append(f"{len(reasons)} of {len(stacks)} stacks were left out: {listed}")
    return fields, remarks + _on_fields(fields)


def _on_fields(fields: Sequence[Field]) -> list[str]:
    """What stacks show beside defocus."""
    found = []
    spreads = [spread_of(field) for field in fields]
    if max(spreads) > MOST_SPREAD:
        some = _count(sum(spread > MOST_SPREAD for spread in spreads), len(fields))
        found.append(f"brightness differs between planes, by up to {max(spreads):.1%} ({some}): they were matched")
    moved = [field for field in fields if field.moved]
    if moved:
        far = max(moved, key=lambda field: field.drift_px)
        found.append(
            f"planes drift or change their magnification: by {far.drift_px:.1f} pixels at the field's edge,"
            f" {far.scale_percent:+.2f} % a plane ({_count(len(moved), len(fields))}). They were moved onto the"
            " in-focus plane, which costs some sharpness"
        )
    doubts = [field for field in fields if field.doubt]
    if doubts:
        found.append(f"the focus is not clear ({_count(len(doubts), len(fields))}): {doubts[0].doubt}")
    return found


def _count(some: int, all_of: int) -> str:
    return f"{some} of {all_of} stacks" if all_of > 1 else "the stack"


def _spread(fields: Sequence[Field], windows: Windows) -> FocalSpread:
    """Scatter of focal positions within and between fields."""
    within, tilts, heights = [], np.full((len(fields), 2), np.nan), []
    for number, field in enumerate(fields):
        own = [window for window in windows.windows if window.field == number]
        focus = np.array([window.focus_um for window in own])
        if len(own):
            heights.append(field.focus_z_um + float(np.median(focus)))
        if len(own) > 1:
            within.append(focus - np.median(focus))
        if len(own) >= 6:
            middle = np.array([[window.y_px, window.x_px] for window in own], float) * field.pixel_um / 1000
            plane = np.column_stack([middle - middle.mean(axis=0), np.ones(len(own))])
            if np.linalg.matrix_rank(plane) == 3:
                tilts[number] = np.linalg.lstsq(plane, focus, rcond=None)[0][:2]
    scattered = np.concatenate(within) if within else np.empty(0)
    many = len(heights) >= FIELDS_FOR_SPREAD and np.ptp([field.focus_z_um for field in fields]) > 0
    return FocalSpread(
        float(np.sqrt(np.mean(scattered**2))) if len(scattered) else None,
        float(np.std(heights, ddof=1)) if many else None,
        tilts,
    )


def _pattern(fields: Sequence[Field], windows: Windows, fit: Fit) -> Pattern | None:
    """What far planes share at frequencies that the optics pass nothing of there."""
    high = windows.frequency_px > HIGH
    far = np.abs(windows.z_um) >= FAR * windows.z_um[-1]
    i, j = np.nonzero(np.triu(np.ones((len(far), len(far)), bool), 2) & far[:, None] & far[None, :])
    middle = len(far) // 2
    power = fit.model[..., middle, middle, None]
    left = fit.model[..., i, j] < NOTHING_LEFT * power
    usable = left & high[None, :, None]
    still = [number for number, field in enumerate(fields) if not field.moved]
    own = [window for window in windows.windows if window.field in still]
    if not usable.any() or not own:
        return None
    weight = usable * windows.modes[None, :, None]
    values = np.array([(window.gram[..., i, j] * weight).sum() / weight.sum() for window in own])
    variance, error = float(values.mean()), float(values.std() / np.sqrt(max(len(values) / 2, 1)))
    sd = float(np.sqrt(max(variance, 0)))
    return Pattern(255 * sd, 255 * error / (2 * max(sd, np.sqrt(error / 2), 1e-9)))


def _remarks(fit: Fit, optics: OpticsSettings, pattern: Pattern | None, noise: Noise, trusted: bool) -> list[str]:
    found = []
    if not trusted:
        why = (
            "the aperture found lies at the end of what is possible"
            if fit.at_limit
            else f"measured and modelled spectra differ by {fit.residual:.0%} (root mean square)"
        )
        found.append(f"{why}: the nominal optics are kept. Check optics, pixel size and z step")
    layers = fit.constants.thickness_um / depth_of_field_um(fit.constants.optics)
    if trusted and layers > THICK_FIELDS:
        found.append(
            f"the tissue is {layers:.1f} depths of field thick: no plane has all of it in focus, and what lies above"
            " and below the in-focus plane is blurred there, too"
        )
    least = LEAST_PATTERN * float(noise.sd.mean())
    if pattern is not None and pattern.sd > max(3 * pattern.standard_error, least):
        found.append(
            f"planes share noise of {pattern.sd:.2f} grey levels that does not move with the focus (structure of the"
            " camera, or dirt on it)"
        )
    if not noise.separable:
        found.append("grey levels span too little to distinguish photon noise from read noise with certainty")
    nominal = getattr(optics, fit.aperture)
    value = getattr(fit.constants.optics, fit.aperture)
    if trusted and nominal and abs(value / nominal - 1) > 0.15:
        found.append(f"{fit.aperture} is {value:.2f} where {nominal:.2f} was given")
    return found
