"""Calibration from Python: what ``tsva.calibrate`` calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tsva.acquisition.stack import Stack
from tsva.calibration.measure import measure
from tsva.calibration.record import as_json
from tsva.settings.optics import OpticsSettings


@dataclass(frozen=True)
class Calibration:
    """What z-stacks told of a microscope.

    Attributes
    ----------
    optics : OpticsSettings
        Measured where the model follows the stacks (`trusted`), else as told.
    trusted : bool
    thickness_um : float or None
        Of the section.
    noise_sd : tuple of float
        Of each channel, grey levels of 255.
    delta_um : float
        Best half distance of the shots.
    delta_interval_um : (float, float)
        Its 95 % interval over windows.
    remarks : tuple of str
        What the stacks show beside defocus, and what to doubt.
    record : dict
        Every number, as ``calibration.json`` has it (docs/data.md).
    """

    optics: OpticsSettings
    trusted: bool
    thickness_um: float | None
    noise_sd: tuple[float, ...]
    delta_um: float
    delta_interval_um: tuple[float, float]
    remarks: tuple[str, ...]
    record: dict[str, Any]


def calibrate(
    stacks: Stack | Sequence[Stack] | Mapping[str, Stack],
    optics: OpticsSettings,
    *,
    aperture: Literal["auto", "na", "condenser_ratio"] = "auto",
    offset_sd_um: float | None = None,
    seed: int = 1,
) -> Calibration:
    """Measure optics, noise, section and the best distance of the shots from full z-stacks of tissue.

    Parameters
    ----------
    stacks : Stack, or sequence or mapping of Stacks
        Of one pixel size and z step, all grey or all colour, of at least 7 planes about the focus.
    optics : OpticsSettings
        As told; the pixel size is that of the stacks.
    aperture : str
        What is looked for: ``na``, ``condenser_ratio``, or ``auto``: the condenser's where `optics` has one, else the
        objective's.
    offset_sd_um : float, optional
        Spread of focal offsets that the distance of the shots is to suit. By default that between the fields; with
        fewer than five of them, one depth of field.
    seed : int
        Of windows and bootstrap.

    Returns
    -------
    Calibration

    Raises
    ------
    UserError
        If stacks differ in kind, hold too few planes or no tissue in focus, or do not reach one depth of field from it.
    """
    if isinstance(stacks, Stack):
        named = [("stack", stacks)]
    elif isinstance(stacks, Mapping):
        named = list(stacks.items())
    else:
        named = [(f"stack {number}", stack) for number, stack in enumerate(stacks, 1)]
    found = measure(named, optics, aperture=aperture, offset_sd_um=offset_sd_um, seed=seed)
    return Calibration(
        found.optics,
        found.trusted,
        found.thickness_um if found.trusted else None,
        tuple(found.noise.sd.tolist()),
        found.delta.delta_um,
        (found.delta.low_um, found.delta.high_um),
        found.remarks,
        as_json(found),
    )
