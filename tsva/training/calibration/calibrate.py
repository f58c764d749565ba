"""Calibration as a whole, for the command ``tsva calibrate`` and for ``tsva.calibrate``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tsva.acquisition.stack import Stack
from tsva.atomic import fresh_file
from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings
from tsva.training.calibration.measure import measure
from tsva.training.calibration.record import as_json

if TYPE_CHECKING:
    from tsva.restoration.checkpoint import Checkpoint


@dataclass(frozen=True)
class Calibration:
    """What z-stacks say of a microscope.

    Attributes
    ----------
    optics : OpticsSettings
        Measured where the model follows the stacks (`trusted`), else the nominal ones.
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
    checkpoint : Checkpoint or None
        The network, where one was fine-tuned.
    """

    optics: OpticsSettings
    trusted: bool
    thickness_um: float | None
    noise_sd: tuple[float, ...]
    delta_um: float
    delta_interval_um: tuple[float, float]
    remarks: tuple[str, ...]
    record: dict[str, Any]
    checkpoint: Checkpoint | None = None

    def save_model(self, path: str | Path) -> None:
        """Write the network, for ``tsva.load_model`` and the command line.

        Raises
        ------
        UserError
            If none was fine-tuned.
        """
        from tsva.restoration.checkpoint import save

        if self.checkpoint is None:
            raise UserError(
                "calibration", got="no network", wanted="one", do="Call tsva.calibrate with fine_tune=True."
            )
        with fresh_file(Path(path)) as part:
            save(self.checkpoint, part)


def calibrate(
    stacks: Stack | Sequence[Stack] | Mapping[str, Stack],
    optics: OpticsSettings,
    *,
    aperture: Literal["auto", "na", "condenser_ratio"] = "auto",
    offset_sd_um: float | None = None,
    fine_tune: bool = False,
    checkpoint: str | Path | None = None,
    delta_um: float | None = None,
    offset_max_um: float | None = None,
    steps: int = 300,
    seed: int = 1,
) -> Calibration:
    """Measure optics, noise, section and the best distance of the shots from full z-stacks of tissue.

    By request a network is fine-tuned on part of their area, and compared on the rest (docs/how-to/calibrate.md).

    Parameters
    ----------
    stacks : Stack, or sequence or mapping of Stacks
        Of one pixel size and z step, all grey or all colour, of at least 7 planes about the focus.
    optics : OpticsSettings
        The nominal ones; the pixel size is that of the stacks.
    aperture : str
        What is looked for: ``na``, ``condenser_ratio``, or ``auto``: the condenser's where `optics` has one, else the
        objective's.
    offset_sd_um : float, optional
        Spread of focal offsets that the distance of the shots is to suit. By default that between the fields; with
        fewer than five of them, one depth of field.
    fine_tune : bool
        Whether a network is fine-tuned, which takes minutes.
    checkpoint : str or Path, optional
        The one to begin with; by default the network that comes with the package.
    delta_um, offset_max_um : float, optional
        Half the distance of its shots, and the largest focal offset that it is trained on.
    steps : int
        Of fine-tuning.
    seed : int
        Of windows, bootstrap and fine-tuning.

    Returns
    -------
    Calibration

    Raises
    ------
    UserError
        If stacks differ in kind, hold too few planes or no tissue in focus, or do not reach one depth of field from it;
        or if there is too little area or reach for fine-tuning.
    """
    if isinstance(stacks, Stack):
        named = [("stack", stacks)]
    elif isinstance(stacks, Mapping):
        named = list(stacks.items())
    else:
        named = [(f"stack {number}", stack) for number, stack in enumerate(stacks, 1)]
    given = None
    if fine_tune:
        from tsva.restoration.checkpoint import load
        from tsva.restoration.packaged_model import packaged_model

        given = load(Path(checkpoint) if checkpoint is not None else packaged_model())
    return calibrated(
        named,
        optics,
        given,
        aperture=aperture,
        offset_sd_um=offset_sd_um,
        delta_um=delta_um,
        offset_max_um=offset_max_um,
        steps=steps,
        seed=seed,
    )


def calibrated(
    stacks: Sequence[tuple[str, Stack]],
    optics: OpticsSettings,
    given: Checkpoint | None,
    *,
    aperture: Literal["auto", "na", "condenser_ratio"],
    offset_sd_um: float | None,
    delta_um: float | None,
    offset_max_um: float | None,
    steps: int,
    seed: int,
    tuning_may_fail: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """Measure, and fine-tune the network `given`, if there is one: see `calibrate`.

    Parameters
    ----------
    stacks : sequence of (str, Stack)
        Names of fields, and their stacks.
    tuning_may_fail : bool
        Whether stacks on which nothing can be fine-tuned are a remark, and no error.
    progress : callable
        Called with what is done now.
    """
    found = measure(stacks, optics, aperture=aperture, offset_sd_um=offset_sd_um, seed=seed, progress=progress)
    record: dict[str, Any] = {**as_json(found), "fine_tuning": None}
    network = None
    if given is not None:
        from tsva.training.calibration.tuning import tune

        try:
            tuned = tune(
                found, given, delta_um=delta_um, offset_max_um=offset_max_um, steps=steps, seed=seed, progress=progress
            )
            record["fine_tuning"], network = tuned.record, tuned.checkpoint
        except UserError as error:
            if not tuning_may_fail:
                raise
            record["remarks"].append(f"no network was fine-tuned: {error}")
    return Calibration(
        found.optics,
        found.trusted,
        found.thickness_um if found.trusted else None,
        tuple(found.noise.sd.tolist()),
        found.delta.delta_um,
        (found.delta.low_um, found.delta.high_um),
        tuple(record["remarks"]),
        record,
        network,
    )
