"""Fields of z-stack files of any format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.formats import stored_images
from tsva.readers.listing import stem_of
from tsva.readers.pixels import check_filled, to_8_bits, unreadable
from tsva.readers.scale import choose_heights, choose_pixel_um
from tsva.readers.source import FieldSource
from tsva.readers.stored import StoredImage

MOST_PARTS = 10_000
"""Of a whole slide; a header that tells of more is damaged or hostile."""
Window = tuple[int, int, int, int]
"""Top, left, height and width, in pixels of a plane."""


def fields_of_stack(
    path: Path,
    pixel_um: float | None,
    z_step_um: float | None,
    bits: int | None = None,
    max_field_px: int | None = None,
) -> list[FieldSource]:
    """Fields of a z-stack: one for each image with planes, or its parts if it is a whole slide.

    Parameters
    ----------
    path : Path
        A file or folder of any format of `stored_images`.
    pixel_um, z_step_um, bits : optional
        From the sheet; they win over what the file says.
    max_field_px : int, optional
        Larger planes are cut into equal parts, none wider or higher than this, so that memory holds one part's planes.

    Returns
    -------
    list of FieldSource
        At least one.

    Raises
    ------
    UserError
        If the file is missing, damaged or no z-stack, or nobody knows its pixel size or where its planes lie.
    """
    return fields_of_images(path, stored_images(path), pixel_um, z_step_um, bits, max_field_px)


def fields_of_images(
    path: Path,
    images: list[StoredImage],
    pixel_um: float | None,
    z_step_um: float | None,
    bits: int | None,
    max_field_px: int | None,
) -> list[FieldSource]:
    """Fields of the images of a file: see `fields_of_stack`."""
    stacked = [image for image in images if image.planes > 1]
    if not stacked:
        raise UserError(
            str(path),
            got="a single plane" if len(images) == 1 else f"{len(images)} planes of different sizes or kinds",
            wanted="a z-stack",
            do="Take the file out, or mend its export.",
        )
    if len(stacked) == 1:
        stacked = [replace(stacked[0], name=stem_of(path))]
    return [field for image in stacked for field in fields_of_image(image, pixel_um, z_step_um, bits, max_field_px)]


def fields_of_image(
    image: StoredImage, pixel_um: float | None, z_step_um: float | None, bits: int | None, max_field_px: int | None
) -> list[FieldSource]:
    """Fields of one stored image: see `fields_of_stack`."""
    size = choose_pixel_um(image.where, pixel_um, image.pixel)
    place = choose_heights(image.where, image.planes, z_step_um, image.heights)
    z_um = place.um
    assert z_um is not None
    assert size.um is not None
    if not np.isfinite(z_um).all():
        raise unreadable(image.where, "positions of planes that are no numbers")
    order = np.argsort(z_um, kind="stable").tolist()
    whole = (0, 0, image.height_px, image.width_px)
    windows = _windows(image.height_px, image.width_px, max_field_px, image.where)
    used = bits if bits is not None else image.bits
    return [
        FieldSource(
            name=image.name if window == whole else f"{image.name}_r{row:02d}_c{column:02d}",
            where=image.where,
            z_um=tuple(float(z_um[i]) for i in order),
            plane_names=tuple(f"plane {i + 1}" for i in order),
            pixel_um=size.um,
            planes=lambda window=window: _planes(  # type: ignore[misc]
                image, order, window, used, is_all=window == whole
            ),
            objective=image.objective,
            channels=image.channels,
            pixel_source=size.source,
            z_source=place.source,
            z_absolute=place.absolute,
            bits=used,
            notes=size.notes + place.notes,
            region=lambda plane, top, left, height, width, window=window: _part(  # type: ignore[misc]
                image, order[plane], (window[0] + top, window[1] + left, height, width), used
            ),
        )
        for (row, column), window in windows
    ]


def _windows(height: int, width: int, largest: int | None, where: str) -> list[tuple[tuple[int, int], Window]]:
    """Row, column and place of the parts that a plane is cut into."""
    if min(height, width) < 1 or (largest is not None and -(-height // largest) * -(-width // largest) > MOST_PARTS):
        raise unreadable(where, f"its header tells of {height}×{width} pixels")

    def cuts(size: int) -> list[int]:
        parts = -(-size // largest) if largest is not None else 1
        return [round(i * size / parts) for i in range(parts + 1)]

    rows, columns = list(enumerate(pairwise(cuts(height)))), list(enumerate(pairwise(cuts(width))))
    return [
        ((row, column), (top, left, bottom - top, right - left))
        for (row, (top, bottom)), (column, (left, right)) in product(rows, columns)
    ]


def _planes(
    image: StoredImage, order: Sequence[int], window: Window, bits: int | None, *, is_all: bool
) -> Iterator[np.ndarray]:
    brightest = 0
    with image.open() as reader:
        for plane in order:
            pixels = reader.read(plane, *window)
            if pixels.dtype == np.uint16:
                brightest = max(brightest, int(pixels.max(initial=0)))
            yield to_8_bits(pixels, bits, image.where)
    # a part of a slide may well be dark
    if bits is not None and brightest and is_all:
        check_filled(brightest, bits, image.where)


def _part(image: StoredImage, plane: int, window: Window, bits: int | None) -> np.ndarray:
    with image.open() as reader:
        return np.array(to_8_bits(reader.read(plane, *window), bits, image.where))
