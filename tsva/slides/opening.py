"""From what the user names to the two planes of a slide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tsva.acquisition.stack import SAME_PIXEL
from tsva.errors import UserError
from tsva.readers.head import head_of
from tsva.readers.scale import choose_heights
from tsva.readers.slide import icc_profile_of
from tsva.readers.source import stored_images
from tsva.readers.stored import StoredImage
from tsva.readers.tiff_header import read_tile_configuration, stage_positions_um
from tsva.slides.depth_of_field import ChosenPlanes, focal_heights, planes_apart
from tsva.slides.file_planes import StackPlane, chosen_planes, half_distance_um, only_image, open_flat, placed
from tsva.slides.two_planes import Plane, TwoPlanes, join
from tsva.slides.workplace import digest_of_files


@dataclass(frozen=True)
class SlideInput:
    """What the user says of a slide's two planes.

    Attributes
    ----------
    low, high : Path or None
        A file for each plane: an OpenSlide format, TIFF, PNG, JPEG, or a tile configuration (``.txt``).
    stack : Path or None
        A file with both planes, in place of these: OME-TIFF, TIFF, OME-Zarr, NDPI, DICOM, CZI.
    planes : (int, int) or None
        The shots of a stack, counted from 1.
    z_um : (float, float) or None
        Their positions, in place of `planes`.
    field : str or None
        Of a stack file with several fields: the one to take. None: all, joined by their positions.
    delta_um : float or None
        Half of the distance between the planes. None: by the positions of a stack's planes.
    pixel_um : float or None
        The user's word on the pixel size, which wins over the files'.
    bits : int or None
        Of 16-bit files: how many bits the camera fills.
    z_step_um : float or None
        Distance of a stack's planes by the slide sheet, which wins over the file.
    """

    low: Path | None = None
    high: Path | None = None
    stack: Path | None = None
    planes: tuple[int, int] | None = None
    z_um: tuple[float, float] | None = None
    field: str | None = None
    delta_um: float | None = None
    pixel_um: float | None = None
    bits: int | None = None
    z_step_um: float | None = None

    @property
    def paths(self) -> list[Path]:
        """All that is named."""
        return [path for path in (self.low, self.high, self.stack) if path is not None]


@contextmanager
def open_two_planes(given: SlideInput) -> Iterator[TwoPlanes]:
    """Open the two planes of a slide; nothing but headers is read.

    Raises
    ------
    UserError
        If too little is said, or something is missing, damaged, or does not fit.
    """
    _check_said(given)
    with ExitStack() as opened:
        if given.stack is not None:
            low, high, delta_um = _of_stack(given, given.stack, opened)
        else:
            assert given.low is not None
            assert given.high is not None
            assert given.delta_um is not None
            low, high = (_of_file(path, given, opened) for path in (given.low, given.high))
            delta_um = given.delta_um
        profile = icc_profile_of(_first_file(given.paths[0]))
        chosen = (given.planes, given.z_um, given.field, delta_um, given.pixel_um, given.bits)
        digest = digest_of_files(given.paths, *chosen)
        yield join(low, high, delta_um=delta_um, pixel_um=given.pixel_um, icc_profile=profile, digest=digest)


@contextmanager
def open_all_planes(given: SlideInput, delta_um: float, wanted_um: float) -> Iterator[ChosenPlanes]:
    """Open a full stack, and choose the two planes of each cell that a network restores it from.

    Parameters
    ----------
    given : SlideInput
        Of which `stack`, `field`, `pixel_um`, `bits` and `z_step_um` are used.
    delta_um : float
        Half of the distance between the network's shots.
    wanted_um : float
        Its pixel size: a stack is not resampled.

    Raises
    ------
    UserError
        If something is missing or damaged, or no two planes lie that far apart.
    """
    assert given.stack is not None
    images = stored_images(given.stack)
    if given.field is not None:
        images = [_of_field(given.stack, images, given.field)]
    image = only_image(given.stack, images)
    if given.z_step_um is not None:
        image = replace(image, heights=choose_heights(image.where, image.planes, given.z_step_um, image.heights))
    pixel_um = given.pixel_um or image.pixel_um
    if image.z_um is None or pixel_um is None:
        lacking, option = (
            ("distance of the planes", "--z-step-um") if image.z_um is None else ("pixel size", "--pixel-um")
        )
        raise UserError(
            image.where, got=f"no {lacking} in the file", wanted="it, in micrometres", do=f"Give it ({option})."
        )
    if abs(pixel_um / wanted_um - 1) > SAME_PIXEL:
        raise UserError(
            image.where,
            got=f"pixels of {pixel_um:.4g} µm",
            wanted=f"{wanted_um:.4g} µm, as the model was trained on",
            do="Resample the stack, or give a model that was trained on such pixels.",
        )
    order = sorted(range(image.planes), key=lambda plane: image.z_um[plane])  # type: ignore[index]
    z_um = [float(image.z_um[plane]) for plane in order]
    apart = planes_apart(z_um, delta_um, image.where)
    with image.open() as reader:
        planes = [StackPlane(image, reader, plane, given.bits) for plane in order]
        digest = digest_of_files([given.stack], "all planes", given.field, pixel_um, given.bits, z_um, apart)
        profile = icc_profile_of(given.stack)
        yield ChosenPlanes(planes, z_um, apart, focal_heights(planes, z_um), pixel_um, profile, digest)


def _of_field(path: Path, images: Sequence[StoredImage], field: str) -> StoredImage:
    chosen = [image for image in images if image.name == field]
    if len(chosen) != 1:
        names = ", ".join(image.name for image in images)
        raise UserError(str(path), got=f"no single field {field!r}", wanted=f"one of {names}", do="Correct it.")
    return chosen[0]


def _check_said(given: SlideInput) -> None:
    files = given.low is not None and given.high is not None
    if files == (given.stack is not None) or (given.low is None) != (given.high is None):
        raise UserError(
            "the input",
            got=", ".join(map(str, given.paths)) or "nothing",
            wanted="either a file for each plane (--low and --high) or one file with both (--stack)",
            do="Name the two planes of the slide.",
        )
    if files and given.low == given.high:
        raise UserError(
            str(given.low), got="the same file for both planes", wanted="two", do="Correct --low or --high."
        )
    if files and given.delta_um is None:
        raise UserError(
            f"{given.low} and {given.high}",
            got="no word on how far apart the planes are",
            wanted="half of their distance, in micrometres",
            do="Give it (--delta-um).",
        )


def _first_file(path: Path) -> Path:
    return read_tile_configuration(path)[0].path if path.suffix == ".txt" else path


def _of_file(path: Path, given: SlideInput, opened: ExitStack) -> Plane:
    """One plane: a file, or tiles that a configuration places."""
    if path.suffix != ".txt":
        return open_flat(path, given.bits, opened)
    tiles = read_tile_configuration(path)
    planes = [open_flat(tile.path, given.bits, opened) for tile in tiles]
    return placed(planes, [(tile.y_px, tile.x_px) for tile in tiles], str(path))


def _of_stack(given: SlideInput, path: Path, opened: ExitStack) -> tuple[Plane, Plane, float]:
    if path.suffix == ".txt":
        tiles = read_tile_configuration(path)
        images = [only_image(tile.path, stored_images(tile.path)) for tile in tiles]
        return _of_images(images, [(tile.y_px, tile.x_px) for tile in tiles], given, opened)
    images = stored_images(path)
    names = [image.name for image in images]
    if given.field is not None:
        images = [_of_field(path, images, given.field)]
    if len(images) == 1:
        return _of_images(images, [(0.0, 0.0)], given, opened)
    places_um = stage_positions_um(path) if head_of(path).is_tiff else None
    if places_um is None or len(places_um) != len(images):
        raise UserError(
            str(path),
            got=f"{len(images)} fields, and no word on where the stage stood",
            wanted="one field, or a position of the stage for each",
            do=f"Name the field (--field {names[0]}), or export it with positions.",
        )
    pixel_um = given.pixel_um or images[0].pixel_um
    if pixel_um is None:
        raise UserError(
            str(path), got="no pixel size", wanted="one, to place the fields by", do="Give it (--pixel-um)."
        )
    return _of_images(images, [(y / pixel_um, x / pixel_um) for y, x in places_um], given, opened)


def _of_images(
    images: Sequence[StoredImage], places_px: list[tuple[float, float]], given: SlideInput, opened: ExitStack
) -> tuple[Plane, Plane, float]:
    """Both planes of stacks side by side, of which all have their shots at the same numbers or positions."""
    found: list[tuple[Plane, Plane]] = []
    distances = set()
    for stored in images:
        image = stored
        if given.z_step_um is not None:
            placed_at = choose_heights(image.where, image.planes, given.z_step_um, image.heights)
            image = replace(image, heights=placed_at)
        low, high = chosen_planes(image, given.planes, given.z_um)
        distances.add(round(half_distance_um(image, low, high, given.delta_um), 3))
        reader = opened.enter_context(image.open())
        found.append((StackPlane(image, reader, low, given.bits), StackPlane(image, reader, high, given.bits)))
    if len(distances) > 1:
        raise UserError(
            str(given.stack),
            got=f"fields whose planes are {2 * min(distances):g} to {2 * max(distances):g} µm apart",
            wanted="one distance",
            do="Give --delta-um if the positions are wrong, or export them anew.",
        )
    if len(found) == 1:
        return *found[0], distances.pop()
    lows, highs = zip(*found, strict=True)
    where = str(given.stack)
    return placed(lows, places_px, where), placed(highs, places_px, where), distances.pop()
