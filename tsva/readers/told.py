"""What is told of a slide's files: which were taken and left, and what each field's file says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tsva.acquisition.stack import regular_step_um
from tsva.readers.head import head_of
from tsva.readers.listing import files_below, places_at
from tsva.readers.registry import format_of, images_below
from tsva.readers.source import FieldSource
from tsva.settings.sheet import SlideRow

MOST_NAMES = 20
"""Of files that are left; a folder may hold thousands."""


def facts_of(source: FieldSource) -> dict[str, object]:
    """What is known of a field before its pixels are read, as JSON holds it."""
    return {
        "field": source.name,
        "from": source.where,
        "planes": len(source.z_um),
        "z_um": list(source.z_um),
        "z_step_um": regular_step_um(np.array(source.z_um)) if len(source.z_um) > 1 else None,
        "z_source": source.z_source,
        "z_absolute": source.z_absolute,
        "pixel_um": source.pixel_um,
        "pixel_source": source.pixel_source,
        "bits": source.bits,
        "channels": list(source.channels),
        "na": source.objective.na,
        "magnification": source.objective.magnification,
        "notes": list(source.notes),
    }


def files_of(row: SlideRow, sheet_folder: Path, sources: list[FieldSource]) -> dict[str, object]:
    """How many of the files that a row's path stands for are read, and which are not.

    Parameters
    ----------
    row : SlideRow
        Of source `planes`, `stack` or `jiang2018`.
    sheet_folder : Path
        What its path starts from.
    sources : list of FieldSource
        Its fields.

    Returns
    -------
    dict
        ``taken`` and ``left`` (counts), and ``left_names`` (at most `MOST_NAMES`).
    """
    taken, left = 0, []
    for place in places_at(sheet_folder / row.path):
        if place.is_file() or format_of(place) is not None:
            taken += 1
            continue
        if row.source == "stack":
            found, others = images_below(place)
            pictures = [path for path in found if path.is_file() and head_of(path).is_picture]
            taken += len(found) - len(pictures)
            left += [path.relative_to(place).as_posix() for path in (*pictures, *others)]
        elif row.source == "planes":
            named = {name for source in sources for name in source.plane_names}
            every = [path.relative_to(place).as_posix() for path in files_below(place)]
            taken += len(named)
            left += [name for name in every if name not in named]
        else:
            taken += len(files_below(place))
    return {"taken": taken, "left": len(left), "left_names": sorted(left)[:MOST_NAMES]}
