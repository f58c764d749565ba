"""What ``import tsva`` offers to notebooks, napari plugins and bridges of other programs (docs/api.md)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tsva.acquisition.pair import Pair, grid_pairs, shots_about
from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.ingest import FocusSettings
from tsva.settings.restoration import RefocusSettings

if TYPE_CHECKING:
    from tsva.restoration.checkpoint import Checkpoint
    from tsva.restoration.contract import Method, Restoration

PATCH_PX = 224
"""Edge of the patches whose sharpness is judged, as in the paper; smaller images are judged as a whole."""


@dataclass(frozen=True)
class Field:
    """A field of a file or slide that has not been read yet.

    Attributes
    ----------
    name : str
    z_um : tuple of float
        Stage position of each plane, rising.
    pixel_um : float
        Pixel size in the specimen.
    """

    name: str
    z_um: tuple[float, ...]
    pixel_um: float
    _where: str
    _planes: Callable[[], Iterator[np.ndarray]]

    def read(self) -> Stack:
        """All planes.

        Raises
        ------
        UserError
            If the file is damaged, planes differ in size, or two lie at the same z.
        """
        try:
            return Stack(np.stack(list(self._planes())), np.array(self.z_um, dtype=float), self.pixel_um)
        except ValueError as error:
            raise UserError(
                f"{self._where}, field {self.name}",
                got=str(error),
                wanted="planes of one size at rising positions",
                do="Give z_step_um, or correct the file's export.",
            ) from None


@dataclass(frozen=True)
class Focus:
    """The in-focus plane of a stack.

    Attributes
    ----------
    plane : int
        The sharpest plane.
    z_um : float
        Its position.
    verdict : str
        ok, or why it is no evidence of focus: blank, edge, no peak.
    reason : str
        The verdict in words and numbers; empty if ok.
    curve : (Z,) float array
        Brenner gradient of each plane.
    """

    plane: int
    z_um: float
    verdict: str
    reason: str
    curve: np.ndarray


@dataclass(frozen=True)
class Model:
    """A trained network, ready to restore pairs of the kind that it was trained on.

    Attributes
    ----------
    network : str
        Its name, such as ``fusion``.
    pixel_um, delta_um : float
        Pixel size, and half the distance between the shots.
    channels : int
        1 (grey) or 3 (colour).
    optics : OpticsSettings
        Nominal optics of its training.
    """

    network: str
    pixel_um: float
    delta_um: float
    channels: int
    optics: OpticsSettings
    _method: Method
    _path: Path
    _held: Checkpoint


@dataclass(frozen=True)
class Scores:
    """How near restored images come to an in-focus one.

    Attributes
    ----------
    psnr_db : (N,) float array
        Peak signal-to-noise ratio, decibels; NaN for an identical image.
    ssim : (N,) float array
        Structural similarity; 1 for an identical image.
    """

    psnr_db: np.ndarray
    ssim: np.ndarray


def open_fields(
    path: str | Path,
    *,
    pixel_um: float | None = None,
    z_step_um: float | None = None,
    bits: int | None = None,
    max_field_px: int | None = None,
) -> list[Field]:
    """Fields of a z-stack file or slide of any format (docs/formats.md); nothing but headers is read.

    Parameters
    ----------
    path : str or Path
        File or folder.
    pixel_um, z_step_um : float, optional
        Pixel size in the specimen and distance between planes; they win over what the file says.
    bits : int, optional
        For 16-bit files: how many bits the camera fills.
    max_field_px : int, optional
        Larger planes, as of whole slides, are cut into equal fields, none wider or higher than this.

    Returns
    -------
    list of Field
        At least one.

    Raises
    ------
    UserError
        If the file is missing, damaged or no z-stack, or nobody knows its pixel size or where its planes lie.
    """
    from tsva.readers.stacks import fields_of_stack

    found = fields_of_stack(Path(path), pixel_um, z_step_um, bits, max_field_px)
    return [Field(one.name, one.z_um, one.pixel_um, one.where, one.planes) for one in found]


def open_stack(
    path: str | Path,
    field: str | None = None,
    *,
    pixel_um: float | None = None,
    z_step_um: float | None = None,
    bits: int | None = None,
) -> Stack:
    """Read one field of a z-stack file.

    Parameters
    ----------
    path : str or Path
    field : str, optional
        Its name, where the file holds several.
    pixel_um, z_step_um, bits : optional
        As of `open_fields`.

    Returns
    -------
    Stack
        ``planes`` (Z, Y, X, C) uint8, C 1 or 3; ``z_um`` (Z,); ``pixel_um``.

    Raises
    ------
    UserError
        As of `open_fields`; or if there are several fields and none, or an unknown one, is named.
    """
    fields = open_fields(path, pixel_um=pixel_um, z_step_um=z_step_um, bits=bits)
    chosen = [one for one in fields if field in (None, one.name)]
    if len(chosen) != 1:
        names = ", ".join(one.name for one in fields[:10])
        raise UserError(
            str(path),
            got="several fields and no name of one" if field is None else f"no single field {field!r}",
            wanted=f"one of {names}" + (f" and {len(fields) - 10} others" if len(fields) > 10 else ""),
            do="Give the argument field.",
        )
    return chosen[0].read()


def find_focus(stack: Stack, *, patch_px: int = PATCH_PX, settings: FocusSettings | None = None) -> Focus:
    """Find a stack's in-focus plane: that of the largest Brenner gradient (paper, section IV.B).

    Parameters
    ----------
    stack : Stack
        Of at least two planes.
    patch_px : int
        Edge of the patches whose tissue is judged.
    settings : FocusSettings, optional
        Thresholds of the verdict.

    Returns
    -------
    Focus

    Raises
    ------
    ValueError
        If there are fewer than two planes.
    """
    from tsva.acquisition.focus import focus_field

    planes, row, _ = focus_field("", stack, patch_px, None, settings or FocusSettings())
    plane = int(str(row["focus_plane"]))
    curve = planes["brenner"].to_numpy(dtype=float)
    return Focus(plane, float(stack.z_um[plane]), str(row["verdict"]), str(row["reason"]), curve)


def make_pairs(
    stack: Stack,
    focus: Focus | int,
    *,
    delta_um: float = 0.5,
    offset_max_um: float = 3.0,
    optics: OpticsSettings | None = None,
) -> list[Pair]:
    """Pairs of shots as a scanner without autofocus would take them, at every focal offset of the stack's grid.

    Parameters
    ----------
    stack : Stack
        With evenly spaced planes.
    focus : Focus or int
        The in-focus plane, or its number.
    delta_um : float
        Half the distance between the shots.
    offset_max_um : float
        Focal offsets run from minus to plus this.
    optics : OpticsSettings, optional
        Nominal optics; their pixel size is the stack's.

    Returns
    -------
    list of Pair
        By rising focal offset.

    Raises
    ------
    UserError
        If planes are not evenly spaced, lengths are no whole numbers of their distance, or planes do not reach so far.
    """
    from pydantic import ValidationError

    plane, step_um = (focus if isinstance(focus, int) else focus.plane), stack.z_step_um
    if step_um is None:
        raise UserError(
            "stack", got="planes that are not evenly spaced", wanted="equal distances", do="Choose planes, or resample."
        )
    step_um = round(step_um, 6)
    try:
        pairs = PairsSettings(delta_um=delta_um, offset_max_um=offset_max_um, z_step_um=step_um)
    except ValidationError as error:
        raise UserError(
            "delta_um, offset_max_um",
            got=f"{delta_um:g} and {offset_max_um:g}",
            wanted=error.errors()[0]["msg"].removeprefix("Value error, "),
            do="Choose multiples of the stack's z_step_um.",
        ) from None
    reach = pairs.reach_planes
    if plane - reach < 0 or plane + reach >= len(stack.z_um):
        there = min(plane, len(stack.z_um) - 1 - plane)
        raise UserError(
            "stack",
            got=f"{there} planes on the shorter side of plane {plane}",
            wanted=f"{reach}, for shots up to {offset_max_um + delta_um:g} µm from it",
            do="Lower offset_max_um, or take a taller stack.",
        )
    known = _with_pixel(optics or OpticsSettings(), stack.pixel_um)
    return grid_pairs(stack.planes[plane - reach : plane + reach + 1], pairs, known)


def load_model(path: str | Path | None = None, *, tile_px: int = 512, batch: int = 8) -> Model:
    """Load a trained network, ``model.ckpt`` of the train stage.

    Parameters
    ----------
    path : str or Path, optional
        By default the network that comes with the package: Fusion for colour images of 0.345 µm a pixel, shots at
        F ∓ 0.5 µm and an objective of NA 0.75 (docs/networks.md has its scores).
    tile_px : int
        Larger images go through in tiles with cores of this edge; it changes memory, not the result.
    batch : int
        Pairs that go through at a time.

    Returns
    -------
    Model

    Raises
    ------
    UserError
        If the file is missing, damaged, or of another version's format.
    """
    from tsva.restoration.checkpoint import load
    from tsva.restoration.packaged_model import packaged_model
    from tsva.restoration.refocus import NetworkMethod

    where_from = Path(path) if path is not None else packaged_model()
    held = load(where_from)
    method = NetworkMethod(held.restored_network(), RefocusSettings(tile_px=tile_px, batch=batch))
    optics, size = OpticsSettings.model_validate(held.optics), (held.pixel_um, held.delta_um, held.channels)
    return Model(held.network, *size, optics, method, where_from, held)


def refocus(
    model: Model,
    shots: Stack | Pair | Sequence[Pair],
    *,
    focal_position_um: float = 0.0,
    tolerance_um: float = 0.1,
) -> Restoration:
    """Restore in-focus images from pairs of shots of any size.

    Parameters
    ----------
    model : Model
    shots : Stack, Pair or sequence of Pair
        A stack of two planes is a pair; of a taller one the planes nearest `focal_position_um` ∓ ``model.delta_um`` are
        the shots. Pairs of one call are of one size.
    focal_position_um : float
        F: where the scanner stood, on the scale of the stack's ``z_um``.
    tolerance_um : float
        How far planes may lie from where the shots should.

    Returns
    -------
    Restoration
        ``images`` (N, Y, X, C) uint8; where the network has them, ``expected_error`` (N, Y, X) and ``focal_offset_um``
        (N,).

    Raises
    ------
    UserError
        If pixels, colours or the distance of shots are not those that the network was trained on, or planes are
        missing.
    """
    if isinstance(shots, Stack):
        where = f"stack of {len(shots.z_um)} planes"
        low, high = shots_about(shots.z_um, focal_position_um, model.delta_um, tolerance_um=tolerance_um, where=where)
        optics = _with_pixel(model.optics, shots.pixel_um)
        pairs: Sequence[Pair] = [Pair(shots.planes[low], shots.planes[high], model.delta_um, optics)]
    else:
        where = "pairs"
        pairs = [shots] if isinstance(shots, Pair) else list(shots)
    if not pairs:
        raise UserError("pairs", got="none", wanted="at least one", do="Give pairs of shots.")
    if len({shot.shape for pair in pairs for shot in (pair.low, pair.high)}) != 1:
        raise UserError("pairs", got="shots of several sizes", wanted="one size", do="Restore one size at a time.")
    for pair in pairs:
        model._held.check_fits(model._path, where, pair.optics.pixel_um, pair.low.shape[2], pair.delta_um)
    for difference in sorted({each for pair in pairs for each in model._held.outside_training(pair.optics)}):
        warnings.warn(f"{where}: {difference}; expect less of the result", stacklevel=2)
    if strange := model._held.strange_colours([pair.low for pair in pairs]):
        warnings.warn(f"{where}: {strange}; expect less of the result", stacklevel=2)
    return model._method(pairs)


def score(restored: Restoration | np.ndarray, target: np.ndarray) -> Scores:
    """Compare restored images with the in-focus one.

    Parameters
    ----------
    restored : Restoration, or (N, Y, X, C) or (Y, X, C) uint8 array
    target : (Y, X, C) uint8 array
        At least 11 pixels both ways.

    Returns
    -------
    Scores

    Raises
    ------
    ValueError
        If shapes or types don't fit.
    """
    from tsva.evaluation.scoring import psnr_db, ssim

    images = restored if isinstance(restored, np.ndarray) else restored.images
    images = images[None] if images.ndim == 3 else images
    if images.shape[1:] != target.shape:
        raise ValueError(f"images are {images.shape[1:]}, and the target is {target.shape}")
    return Scores(psnr_db(images, np.broadcast_to(target, images.shape)), ssim(images, target[None])[0])


def _with_pixel(optics: OpticsSettings, pixel_um: float) -> OpticsSettings:
    """The optics with another pixel size."""
    return optics.model_copy(update={"pixel_um": pixel_um})
