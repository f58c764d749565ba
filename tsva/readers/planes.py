"""Fields as folders of planes, one image a plane."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.images import only_plane, read_whole
from tsva.readers.name_patterns import NamePattern, check_fields
from tsva.readers.pixel_size import PixelSize, choose_pixel_um, same_size
from tsva.readers.pixels import BOTH_DEPTHS, check_filled, to_8_bits
from tsva.readers.registry import PICTURE_ENDINGS, files_below, looks_like_image, shown
from tsva.readers.source import FieldSource

log = logging.getLogger(__name__)


def fields_of_planes(
    folder: Path, pattern: NamePattern, pixel_um: float | None, single: str, bits: int | None = None
) -> list[FieldSource]:
    """Fields of a folder whose file names carry z.

    Parameters
    ----------
    folder : Path
        Searched through all levels if the pattern holds a `/`.
    pattern : NamePattern
        Fits the names, relative to the folder. Other files are left alone, unless they look like planes.
    pixel_um : float or None
        The sheet's pixel size; None: TIFF files say theirs.
    single : str
        Name of the field where the pattern has no ``{field}``.
    bits : int or None
        How many of 16 bits the camera fills.

    Returns
    -------
    list of FieldSource
        By name; at least one.

    Raises
    ------
    UserError
        If the folder is missing, no name fits, a file that looks like a plane doesn't fit, fields differ in a channel's
        number alone, or nobody knows the pixel size.
    """
    if not folder.is_dir():
        raise UserError(
            str(folder), got="no such folder", wanted="a folder of planes", do="Correct the sheet's column path."
        )
    found: dict[str, list[tuple[float, Path]]] = defaultdict(list)
    left: list[Path] = []
    for path in files_below(folder):
        said = pattern.match(path.relative_to(folder).as_posix())
        if said is None:
            left.append(path)
        else:
            found[said.field or single].append((said.z_um, path))
    if not found:
        names = [path.relative_to(folder).as_posix() for path in left]
        raise UserError(
            str(folder),
            got=f"no file whose name fits {pattern.text!r}, but {shown(names) or 'no file at all'}",
            wanted="names like the sheet's column pattern",
            do="Correct the pattern: all but {…} stands for itself.",
        )
    taken = [path for planes in found.values() for _, path in planes]
    notes = _notes(folder, pattern, taken, left)
    check_fields(found, str(folder))
    notes += _fewer({name: len(planes) for name, planes in found.items()})
    for note in notes:
        log.warning("%s: %s", folder, note)
    return [
        _field(name, folder, sorted(planes), pixel_um, bits, pattern, tuple(notes))
        for name, planes in sorted(found.items())
    ]


def _notes(folder: Path, pattern: NamePattern, taken: list[Path], left: list[Path]) -> list[str]:
    """What is left, if it looks like images; refuses it if it looks like planes that were meant."""
    stems = {path.with_suffix("") for path in taken}
    images = [
        path
        for path in left
        if path.with_suffix("") not in stems and (path.suffix.lower() in PICTURE_ENDINGS or looks_like_image(path))
    ]
    names = [path.relative_to(folder).as_posix() for path in images]
    if meant := [name for name in names if pattern.is_like(name)]:
        raise UserError(
            str(folder),
            got=f"{len(taken)} planes whose names fit {pattern.text!r}, and {len(meant)} that look like planes of the"
            f" series and don't fit ({shown(meant)})",
            wanted="names that are all written alike",
            do="Rename these files, move them away, or correct the sheet's column pattern.",
        )
    return [f"{len(taken)} images taken, {len(names)} left ({shown(names)})"] if names else []


def _fewer(planes: dict[str, int]) -> list[str]:
    """Fields with fewer planes than most, as after an export that broke off."""
    usual = Counter(planes.values()).most_common(1)[0][0] if len(planes) > 1 else 0
    fewer = [f"{name} has {count}" for name, count in sorted(planes.items()) if count < max(planes.values())]
    if len(planes) == 1 or not fewer or usual == 0:
        return []
    return [f"fields of {max(planes.values())} planes, but {shown(fewer)}"]


def _field(
    name: str,
    folder: Path,
    planes: list[tuple[float, Path]],
    pixel_um: float | None,
    bits: int | None,
    pattern: NamePattern,
    notes: tuple[str, ...],
) -> FieldSource:
    paths = [path for _, path in planes]
    first = only_plane(paths[0])
    size = choose_pixel_um(str(paths[0]), pixel_um, first.pixel)
    assert size.um is not None
    used = bits if bits is not None or first.depth == 8 else first.bits
    return FieldSource(
        name=name,
        where=str(folder),
        z_um=tuple(z for z, _ in planes),
        plane_names=tuple(path.relative_to(folder).as_posix() for path in paths),
        pixel_um=size.um,
        planes=lambda: read_in_turn(paths, used, first.pixel),
        objective=first.objective,
        channels=first.channels,
        pixel_source=size.source,
        z_source="the planes' names",
        z_absolute=not pattern.counts,
        bits=first.bits if first.depth == 8 else used,
        notes=size.notes + notes,
    )


def read_in_turn(
    paths: Sequence[Path], bits: int | None = None, pixel: PixelSize | None = None
) -> Iterator[np.ndarray]:
    """Images one by one, (Y, X, C) uint8; those of 16 bits are scaled by how many the camera fills.

    Raises
    ------
    UserError
        If one of them can't be read, or says another pixel size than `pixel`.
    """
    brightest = 0
    for path in paths:
        image = only_plane(path)
        if pixel is not None and not same_size(image.pixel, pixel):
            raise UserError(
                str(path),
                got=f"pixels of {image.pixel.um:.4g} µm",
                wanted=f"{pixel.um:.4g} µm, as {paths[0].name} says",
                do="Export all planes of a field alike.",
            )
        pixels = read_whole(image, BOTH_DEPTHS)
        if pixels.dtype == np.uint16:
            brightest = max(brightest, int(pixels.max(initial=0)))
        yield to_8_bits(pixels, bits, str(path))
    if bits is not None and brightest:
        check_filled(brightest, bits, str(paths[0].parent))
