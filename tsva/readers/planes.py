"""Fields as folders of planes, one image a plane."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tsva.errors import UserError
from tsva.readers.images import is_tiff, read_image
from tsva.readers.names import NamePattern
from tsva.readers.source import FieldSource, choose_pixel_um
from tsva.readers.tiff import open_tiff, pixel_um_of_page

SHOWN = 3
"""Names shown where none fits."""


def fields_of_planes(folder: Path, pattern: NamePattern, pixel_um: float | None, single: str) -> list[FieldSource]:
    """Fields of a folder whose file names carry z.

    Parameters
    ----------
    folder : Path
        Searched through all levels if the pattern holds a `/`.
    pattern : NamePattern
        Fits the names, relative to the folder. Files that it doesn't fit are left alone.
    pixel_um : float or None
        The sheet's pixel size; None: TIFF files say theirs.
    single : str
        Name of the field where the pattern has no ``{field}``.

    Returns
    -------
    list of FieldSource
        By name; at least one.

    Raises
    ------
    UserError
        If the folder is missing, no name fits, or nobody knows the pixel size.
    """
    if not folder.is_dir():
        raise UserError(
            str(folder), got="no such folder", wanted="a folder of planes", do="Mend the sheet's column path."
        )
    found: dict[str, list[tuple[float, Path]]] = defaultdict(list)
    names = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        names.append(path.relative_to(folder).as_posix())
        said = pattern.match(names[-1])
        if said is not None:
            found[said.field or single].append((said.z_um, path))
    if not found:
        there = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        raise UserError(
            str(folder),
            got=f"no file whose name fits {pattern.text!r}, but {there or 'no file at all'}",
            wanted="names like the sheet's column pattern",
            do="Mend the pattern: all but {…} stands for itself.",
        )
    return [_field(name, folder, sorted(planes), pixel_um) for name, planes in sorted(found.items())]


def _field(name: str, folder: Path, planes: list[tuple[float, Path]], pixel_um: float | None) -> FieldSource:
    paths = [path for _, path in planes]
    return FieldSource(
        name=name,
        where=str(folder),
        z_um=tuple(z for z, _ in planes),
        plane_names=tuple(path.relative_to(folder).as_posix() for path in paths),
        pixel_um=choose_pixel_um(str(paths[0]), pixel_um, _pixel_um(paths[0])),
        planes=lambda: read_in_turn(paths),
    )


def read_in_turn(paths: Sequence[Path]) -> Iterator[np.ndarray]:
    """Images one by one, (Y, X, C) uint8."""
    for path in paths:
        yield read_image(path)


def _pixel_um(path: Path) -> float | None:
    if not is_tiff(path):
        return None
    with open_tiff(path) as tif:
        return pixel_um_of_page(tif.pages.first)
