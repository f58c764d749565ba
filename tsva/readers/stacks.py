"""Fields of z-stack files of any format, and whether the planes that are read are a stack."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.pixels import check_filled, to_8_bits, unreadable
from tsva.readers.registry import stem_of
from tsva.readers.scale import choose_heights, choose_pixel_um
from tsva.readers.source import FieldSource, stored_images
from tsva.readers.stored import StoredImage

MOST_PARTS = 10_000
"""Of a whole slide; a header that states more is damaged or hostile."""
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
            do="Take the file out, or correct its export.",
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
        raise unreadable(where, f"its header states {height}×{width} pixels")

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


SAMPLED_PX = 64
"""Pixels along an edge that planes are compared on."""
LEAST_PLANES = 6
"""In which a period can be found: two of the shortest twice, and one more."""
MUCH_LIKER = 0.6
"""Differences between planes a period apart over those between neighbours, below which the period is one."""
LEAST_DIFFERENCE = 0.005
"""Of neighbours, over their brightness: below, all planes look alike."""
STILL = 0.8
"""Differences between pictures of one plane over those to the next plane, below which a plane was taken repeatedly."""
LONGEST_PERIOD, MOST_COMPARED = 64, 1000
"""Planes after which repetition is looked for, and planes that are compared: a header may state thousands."""
LEAST_REPEATED = 4
"""Planes of which repeated pictures can be found."""
MOST_CHANNELS, JUMP = 4, 2.0
"""Channels that may follow each other, and how much more planes differ there than just before and after."""


def as_stack(planes: Iterable[np.ndarray], names: Sequence[str], where: str) -> Iterator[np.ndarray]:
    """Planes as they come; those of no stack are refused once they have been seen.

    Parameters
    ----------
    planes : iterable of (Y, X, C) uint8 arrays
        In order of rising z.
    names : sequence of str
        What to call each plane.
    where : str
        The file, for messages.

    Raises
    ------
    UserError
        If two planes are the same to the last pixel, or planes some places apart are much more like each other than
        neighbours are: channels or points of time were stored between them.
    """
    seen: dict[tuple[int, ...], int] = {}
    samples: list[np.ndarray] = []
    for number, plane in enumerate(planes):
        sample = _sample(plane)
        if np.ptp(sample) > 0:
            key = (zlib.crc32(np.ascontiguousarray(plane).data), *plane.shape)
            if key in seen:
                raise UserError(
                    where,
                    got=f"the same pixels twice ({names[seen[key]]} and {names[number]})",
                    wanted="planes that were each recorded",
                    do="Take one of them out, or export the stack again.",
                )
            seen[key] = number
        if len(samples) < MOST_COMPARED:
            samples.append(sample)
        yield plane
    if len(samples) >= LEAST_PLANES and len({sample.shape for sample in samples}) == 1:
        _check_repeats(np.stack(samples), where)
    period = _period(samples)
    if period is not None:
        raise UserError(
            where,
            got=f"planes of which every {_ordinal(period)} is alike, and neighbours are not: channels or points of time"
            " are stored between planes",
            wanted="planes along z alone, each grey or RGB",
            do="Export one channel as grey or all as RGB (Fiji: Image > Hyperstacks > Stack to Hyperstack).",
        )


def _sample(plane: np.ndarray) -> np.ndarray:
    """Grey values of some pixels of a plane."""
    rows, columns = (max(1, size // SAMPLED_PX) for size in plane.shape[:2])
    return plane[::rows, ::columns].mean(axis=2, dtype=np.float32)


def _period(samples: list[np.ndarray]) -> int | None:
    """After how many planes they look alike again, where neighbours don't, or where they jump; None for a stack.

    Planes are compared after division by their brightness, so that a lamp that flickers makes no period.
    """
    count = len(samples)
    if count < LEAST_PLANES or len({sample.shape for sample in samples}) > 1:
        return None
    stack = _at_one_brightness(np.stack(samples))
    # channels one by one repeat after a part of all planes
    periods = {*range(1, min(LONGEST_PERIOD, count // 2) + 1), *(count // n for n in range(2, MOST_CHANNELS + 1))}
    apart = {k: float(np.abs(stack[k:] - stack[:-k]).mean()) for k in sorted(periods)}
    if apart[1] <= LEAST_DIFFERENCE:
        return None
    best = min(apart, key=lambda k: apart[k])
    if best > 1 and apart[best] < MUCH_LIKER * apart[1]:
        return best
    return _jumps(np.abs(np.diff(stack, axis=0)).mean(axis=(1, 2)))


def _check_repeats(stack: np.ndarray, where: str) -> None:
    """Refuse several pictures of each plane: differences then rise and fall with their number, all along the stack."""
    differences = np.abs(np.diff(_at_one_brightness(stack), axis=0)).mean(axis=(1, 2))
    for pictures in range(2, MOST_CHANNELS + 1):
        # about focus, differences have two maxima: what rises and falls three times is no defocus
        if len(stack) % pictures or len(stack) // pictures < LEAST_REPEATED:
            continue
        steps = np.arange(len(differences)) % pictures == pictures - 1
        within = np.array([differences[i : i + pictures - 1].max() for i in range(0, len(stack), pictures)])
        between = differences[steps]
        # of each plane the nearer of its neighbours
        beside = np.minimum(np.append(between, np.inf), np.append(np.inf, between))
        if np.all(within < STILL * beside):
            raise UserError(
                where,
                got=f"{pictures} pictures of each plane",
                wanted="one picture a plane",
                do="Average them, or export one point of time.",
            )


def _at_one_brightness(stack: np.ndarray) -> np.ndarray:
    return stack / np.maximum(stack.mean(axis=(1, 2), keepdims=True), 1)


def _jumps(differences: np.ndarray) -> int | None:
    """After how many planes neighbours differ much, and nowhere else; None if they don't: channels one by one."""
    count = len(differences) + 1
    for channels in range(2, MOST_CHANNELS + 1):
        length = count // channels
        if count % channels or length < LEAST_PLANES // 2:
            continue
        at = np.arange(1, channels) * length - 1
        beside = np.maximum(differences[at - 1], differences[at + 1])
        if np.all(differences[at] > JUMP * beside):
            return length
    return None


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
