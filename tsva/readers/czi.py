"""Zeiss CZI, by pylibCZIrw (LGPL-3.0; the extra `czi`): the library reads the tiles that a region touches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np

from tsva.errors import UserError
from tsva.readers.guards import check_czi, needed
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb
from tsva.readers.registry import stem_of
from tsva.readers.scale import PixelSizeEntry, heights, pixel_size
from tsva.readers.stored import MOST_FOCAL_PLANES, Objective, PlaneReader, StoredImage, channel_names
from tsva.readers.tiff import check_decoded, reading

UM_PER_M = 1e6


def czi_images(path: Path) -> list[StoredImage]:
    """Scenes of a CZI file, or the whole of it if it has none.

    Raises
    ------
    UserError
        If pylibCZIrw is not installed, the file is damaged, or it holds a time series or several channels.
    """
    where = str(path)
    library = needed("pylibCZIrw.czi", "czi", where)
    with reading(where):
        check_czi(path)
    with _reading(where), library.open_czi(where) as czi:
        sizes = {axis: stop - start for axis, (start, stop) in czi.total_bounding_box.items()}
        scenes = dict(czi.scenes_bounding_rectangle) or {None: czi.total_bounding_rectangle}
        kind, metadata = czi.get_channel_pixel_type(0), czi.metadata["ImageDocument"]["Metadata"]
        planes, step_um, size_um, objective = sizes.get("Z", 1), *_lengths_um(metadata), _objective(metadata)
        if not 0 < planes <= MOST_FOCAL_PLANES:
            raise ValueError(f"its directory states {planes} planes")
    if sizes.get("T", 1) > 1 or sizes.get("C", 1) > 1:
        raise UserError(
            where,
            got=f"{sizes.get('T', 1)} points of time and {sizes.get('C', 1)} channels",
            wanted="planes along z alone, grey or RGB",
            do="Export one of them as OME-TIFF.",
        )
    depth = 16 if "16" in kind or "48" in kind else 8
    return [
        StoredImage(
            name=stem_of(path) + (f"_{scene}" if len(scenes) > 1 else ""),
            where=where,
            format="CZI",
            planes=planes,
            height_px=place.h,
            width_px=place.w,
            channels=channel_names(3 if "Bgr" in kind else 1),
            depth=depth,
            bits=8 if depth == 8 else None,
            heights=heights(where, planes, None, step_um, source=("", "Scaling")),
            pixel=pixel_size(where, [PixelSizeEntry("Scaling", *size_um)], objective.magnification),
            objective=objective,
            open=lambda scene=scene, place=place: _open(path, scene, place.x, place.y),  # type: ignore[misc]
        )
        for scene, place in scenes.items()
    ]


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Report what the library and its reader of XML raise within the block as a damaged file."""
    with reading(where):
        try:
            yield
        except ExpatError as error:
            raise ValueError(f"damaged metadata: {error}") from None


def _listed(value: Any) -> list[Any]:
    """XML of one element is no list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _lengths_um(metadata: Any) -> tuple[float | None, tuple[float | None, float | None]]:
    """The distance of planes; width and height of a pixel."""
    items = _listed(((metadata.get("Scaling") or {}).get("Items") or {}).get("Distance"))
    lengths = {item["@Id"]: float(item["Value"]) * UM_PER_M for item in items if item.get("Value")}
    return lengths.get("Z"), (lengths.get("X"), lengths.get("Y"))


def _objective(metadata: Any) -> Objective:
    objectives = ((metadata.get("Information") or {}).get("Instrument") or {}).get("Objectives") or {}
    found = _listed(objectives.get("Objective"))
    if len(found) != 1:
        return Objective()
    na, power = found[0].get("LensNA"), found[0].get("NominalMagnification")
    return Objective(float(na) if na else None, float(power) if power else None)


@contextmanager
def _open(path: Path, scene: int | None, x: int, y: int) -> Iterator[PlaneReader]:
    library = needed("pylibCZIrw.czi", "czi", str(path))
    with ExitStack() as stack:
        with _reading(str(path)):
            czi = stack.enter_context(library.open_czi(str(path)))
        yield CziReader(str(path), czi, scene, x, y)


class CziReader:
    """A `PlaneReader` of a scene, whose corner lies at `x` and `y`."""

    def __init__(self, where: str, czi: Any, scene: int | None, x: int, y: int) -> None:
        self._where, self._czi, self._scene, self._corner = where, czi, scene, (x, y)

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        if level:
            raise ValueError("one level")
        check_decoded(height, width, self._where)
        place = (self._corner[0] + left, self._corner[1] + top, width, height)
        with reading(self._where):
            pixels = np.asarray(self._czi.read(roi=place, plane={"Z": plane, "C": 0, "T": 0}, scene=self._scene))
        # the library gives blue first
        return as_grey_or_rgb(np.ascontiguousarray(pixels[..., ::-1]), self._where, BOTH_DEPTHS)
