"""Fields as folders of planes, one image a plane: by a pattern of names, or as the data set of Jiang et al. 2018.

That data set (figshare 5936881) unpacks to ``s<slide>_l<location>/Seg<k>_defocus<nm>.jpg`` for training (patches of
224×224 pixels at 41 planes) and to ``s<slide>_l<location>/defocus<nm>.jpg`` for tests (whole fields). Every location
has its own sub-step remainder of z.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.images import only_plane, read_image, read_whole
from tsva.readers.name_patterns import NamePattern, check_fields
from tsva.readers.pixels import BOTH_DEPTHS, check_filled, to_8_bits
from tsva.readers.registry import PICTURE_ENDINGS, files_below, looks_like_image, shown
from tsva.readers.scale import PixelSize, choose_pixel_um, same_size
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


LOCATION = re.compile(r"s(\d+)_l(\d+)")
PLANE = re.compile(r"(?:Seg(?P<patch>\d+)_)?defocus(?P<nm>-?\d+)\.jpe?g", re.IGNORECASE)
PIXEL_UM = 0.345
"""Of the patches, and of whole fields at half size. Not in the files; by the optics (20×, 3.45 µm camera)."""
FIELD_PX = 1224
"""Width of a whole field at that pixel size; the archives hold them twice as wide."""


def fields_of_jiang2018(folders: list[Path], pixel_um: float | None) -> list[FieldSource]:
    """Locations of one slide as fields.

    A location of patches becomes one field with its patches side by side in the order of their numbers, so that its
    in-focus plane is decided over all of them.

    Parameters
    ----------
    folders : list of Path
        Location folders, or folders with such anywhere below.
    pixel_um : float or None
        Pixel size of the files; None: what the data set's optics give.

    Returns
    -------
    list of FieldSource
        By name (``s3_l12``); at least one.

    Raises
    ------
    UserError
        If there are none, they are of several slides, or one is there twice.
    """
    found = sorted({place for folder in folders for place in _locations(folder)}, key=_number)
    where = ", ".join(map(str, folders[:3]))
    if not found:
        raise UserError(
            where,
            got="no folder named like s1_l2 with files named like defocus-350.jpg or Seg1_defocus-350.jpg",
            wanted="the layout of Jiang et al. 2018",
            do="Correct the sheet's column path.",
        )
    slides = sorted({_number(place)[0] for place in found})
    if len(slides) > 1:
        raise UserError(
            where,
            got=f"locations of {len(slides)} slides ({', '.join(f's{number}' for number in slides[:5])} …)",
            wanted="one slide in each row of the sheet, so that patients can be kept apart",
            do=f"Write the column path like …/s{slides[0]}_l*, a row a slide.",
        )
    for earlier, later in pairwise(found):
        if earlier.name == later.name:
            raise UserError(
                str(later),
                got=f"location {later.name} a second time (first in {earlier.parent})",
                wanted="each location once",
                do="Let the sheet's column path name one of the two folders.",
            )
    return [_location(place.name, place, pixel_um) for place in found]


def _locations(folder: Path) -> Iterator[Path]:
    for place in (folder, *folder.rglob("*")):
        if (
            place.is_dir()
            and LOCATION.fullmatch(place.name)
            and any(PLANE.fullmatch(file.name) for file in place.iterdir())
        ):
            yield place


def _number(place: Path) -> tuple[int, int, str]:
    match = LOCATION.fullmatch(place.name)
    assert match is not None
    return int(match[1]), int(match[2]), str(place)


def _location(name: str, place: Path, pixel_um: float | None) -> FieldSource:
    planes: dict[int, dict[int, Path]] = defaultdict(dict)
    for path in sorted(place.iterdir()):
        match = PLANE.fullmatch(path.name)
        if match is not None:
            planes[int(match["nm"])][int(match["patch"] or -1)] = path
    heights = sorted(planes)
    patches = sorted({patch for files in planes.values() for patch in files})
    for nm in heights:
        missing = [patch for patch in patches if patch not in planes[nm]]
        if missing:
            what = f"Seg{missing[0]}_defocus{nm}.jpg" if missing[0] >= 0 else f"defocus{nm}.jpg"
            raise UserError(
                str(place),
                got=f"no {what}, though other planes have this part",
                wanted="every patch at every plane",
                do="Unpack the archive again.",
            )
    paths = [[planes[nm][patch] for patch in patches] for nm in heights]
    whole = patches == [-1]
    first = read_image(paths[0][0])
    return FieldSource(
        name=name,
        where=str(place),
        z_um=tuple(nm / 1000 for nm in heights),
        plane_names=tuple(files[0].name for files in paths),
        pixel_um=pixel_um or (PIXEL_UM * FIELD_PX / first.shape[1] if whole else PIXEL_UM),
        planes=lambda: read_in_turn([files[0] for files in paths]) if whole else _mosaics(paths),
        mosaic_px=None if whole else first.shape[0],
    )


def _mosaics(paths: list[list[Path]]) -> Iterator[np.ndarray]:
    """A location's patches side by side, plane by plane."""
    for files in paths:
        patches = [read_image(path) for path in files]
        edge = patches[0].shape[0]
        for path, patch in zip(files, patches, strict=True):
            if patch.shape != (edge, edge, patches[0].shape[2]):
                raise UserError(
                    str(path),
                    got=f"{patch.shape[0]}×{patch.shape[1]} pixels",
                    wanted=f"{edge}×{edge} as in {files[0].name}",
                    do="Unpack the archive again.",
                )
        yield np.concatenate(patches, axis=1)
