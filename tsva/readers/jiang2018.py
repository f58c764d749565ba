"""The data set of Jiang et al. 2018 (figshare 5936881), as its archives unpack.

Training: ``s<slide>_l<location>/Seg<k>_defocus<nm>.jpg``, 224×224 patches of a location at 41 planes. Tests:
``s<slide>_l<location>/defocus<nm>.jpg``, whole fields. Every location has its own sub-step remainder of z.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.images import read_image
from tsva.readers.planes import read_in_turn
from tsva.readers.source import FieldSource

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
    return [_field(place.name, place, pixel_um) for place in found]


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


def _field(name: str, place: Path, pixel_um: float | None) -> FieldSource:
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
