"""From a row of the slide sheet to the two planes of each of its slides or fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tsva.acquisition.pair import shots_about
from tsva.errors import UserError
from tsva.readers.fields import find_fields
from tsva.readers.head import head_of
from tsva.readers.registry import is_dicom, is_zarr, matching
from tsva.readers.scale import choose_heights
from tsva.readers.source import stored_images
from tsva.readers.stored import StoredImage
from tsva.readers.tiff_header import stage_positions_um
from tsva.settings.restoration import RefocusSettings
from tsva.settings.sheet import SlideRow
from tsva.slides.opening import SlideInput


def inputs_of_row(
    row: SlideRow, sheet_folder: Path, delta_um: float, settings: RefocusSettings
) -> list[tuple[str, SlideInput | UserError]]:
    """Names and planes of all that is to be restored of a slide, or why one of its files has none.

    Fields of one file whose positions are known are one slide; others are restored one by one.

    Parameters
    ----------
    row : SlideRow
        Of source `stack` or `planes`.
    sheet_folder : Path
        What its path starts from.
    delta_um : float
        Half of the distance between the shots.
    settings : RefocusSettings
        Where the shots lie.

    Raises
    ------
    UserError
        If files are missing, or a slide of a single file is damaged or has no planes where the shots should be.
    """
    if row.source == "planes":
        return _of_planes(row, sheet_folder, delta_um, settings)
    if row.source != "stack":
        raise UserError(
            f"slide sheet, slide {row.slide}, column source",
            got=row.source,
            wanted="stack or planes, two focal planes at least",
            do="Correct the source, or the slide's role.",
        )
    places = matching(sheet_folder / row.path, f"slide sheet, slide {row.slide}")
    files = []
    for place in places:
        whole = place.is_file() or is_zarr(place) or is_dicom(place)
        files += [place] if whole else sorted(path for path in place.iterdir() if path.is_file())
    if len(files) == 1:
        only = _of_stack(files[0], row, delta_um, settings)
        return [(row.slide, only[0][1])] if len(only) == 1 else list(only)
    found: list[tuple[str, SlideInput | UserError]] = []
    for file in files:
        try:
            found += _of_stack(file, row, delta_um, settings)
        except UserError as error:
            found.append((_stem(file), error))
    return found


def _of_stack(file: Path, row: SlideRow, delta_um: float, settings: RefocusSettings) -> list[tuple[str, SlideInput]]:
    images = stored_images(file)
    if len(images) == 1 or _positions(file) is not None:
        return [(_stem(file), _input(file, images[0], None, row, delta_um, settings))]
    return [(image.name, _input(file, image, image.name, row, delta_um, settings)) for image in images]


def _stem(file: Path) -> str:
    return file.name.split(".")[0]


def _positions(file: Path) -> list[tuple[float, float]] | None:
    """Of a TIFF file; other formats have none that is read."""
    return stage_positions_um(file) if head_of(file).is_tiff else None


def _input(
    file: Path, image: StoredImage, field: str | None, row: SlideRow, delta_um: float, settings: RefocusSettings
) -> SlideInput:
    heights = choose_heights(image.where, image.planes, row.z_step_um, image.heights)
    z_um = np.array(heights.um, dtype=float)
    order = np.argsort(z_um, kind="stable")
    low, high = shots_about(
        z_um[order],
        settings.initial_focal_position_um,
        delta_um,
        tolerance_um=settings.position_tolerance_um,
        where=f"slide {row.slide}, {image.where}",
    )
    return SlideInput(
        stack=file,
        planes=(int(order[low]) + 1, int(order[high]) + 1),
        field=field,
        delta_um=delta_um,
        pixel_um=row.pixel_um,
        bits=row.bits,
        z_step_um=row.z_step_um,
    )


def _of_planes(
    row: SlideRow, sheet_folder: Path, delta_um: float, settings: RefocusSettings
) -> list[tuple[str, SlideInput | UserError]]:
    """Folders of planes: each plane is a file of its own."""
    found: list[tuple[str, SlideInput | UserError]] = []
    for field in find_fields(row, sheet_folder):
        low, high = shots_about(
            np.array(field.z_um),
            settings.initial_focal_position_um,
            delta_um,
            tolerance_um=settings.position_tolerance_um,
            where=f"slide {row.slide}, field {field.name}",
        )
        one, two = (Path(field.where) / field.plane_names[plane] for plane in (low, high))
        given = SlideInput(one, two, delta_um=delta_um, pixel_um=field.pixel_um, bits=row.bits)
        found.append((field.name, given))
    return found
