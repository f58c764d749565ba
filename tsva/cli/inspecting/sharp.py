"""Whether a sharp image is fit to simulate defocus on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tsva.acquisition.stack import SAME_PIXEL
from tsva.cli.inspecting.fitness import told
from tsva.errors import UserError
from tsva.readers.pixel_size import reduction_note
from tsva.readers.sharp import flat_image, read_sharp_fields
from tsva.settings.root import Settings

LOOKED_AT = 12
"""Fields of a slide that are read to see whether there is tissue on it."""


@dataclass(frozen=True)
class Sharp:
    """What there is of a sharp image.

    Attributes
    ----------
    pixel_um : float or None
        Of the file.
    fields : tuple of (str, array, str)
        Names, (Y, X, 3) uint8 pixels at the common pixel size, and why they are left out.
    problems : tuple of str
        Why it is not fit; empty if it is.
    notes : tuple of str
        What to know all the same.
    """

    pixel_um: float | None
    fields: tuple[tuple[str, np.ndarray, str], ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def look(path: Path, pixel_um: float | None, settings: Settings, wanted_fields: int) -> Sharp:
    """Look at some fields of an image, spread over it.

    Parameters
    ----------
    path : Path
        The image.
    pixel_um : float or None
        What the sheet would say of the pixel size.
    settings : Settings
        Common pixel size, and size of the fields.
    wanted_fields : int
        Usable ones after which no more are read.

    Returns
    -------
    Sharp
        An image without a known pixel size is looked at as if it had the common one.
    """
    common_um = settings.optics.pixel_um
    said = flat_image(path).pixel
    of_file = said.um
    size_um = pixel_um or of_file
    problems = [] if size_um else [f"{said.doubt or 'no pixel size in the file'}; put it in place of PIXEL_UM"]
    notes = []
    if of_file and not pixel_um and (reduced := reduction_note(of_file, said.source, common_um)):
        notes.append(reduced)
    if size_um and size_um > common_um * (1 + SAME_PIXEL):
        notes.append(
            f"{size_um:.4g} µm per pixel is coarser than optics.pixel_um ({common_um:g}): enlarged, it has no"
            " more detail than before"
        )
    fields: list[tuple[str, np.ndarray, str]] = []
    try:
        # the file's own word stays the file's: it is believed less than the sheet's
        of_sheet = pixel_um if size_um else common_um
        found = read_sharp_fields(path, of_sheet, common_um, settings.simulate.field_px, wanted_fields)
        fields = list(islice(found, LOOKED_AT))
    except UserError as error:
        problems.append(told(error))
    blank = [reason for _, _, reason in fields if reason]
    if fields and len(blank) == len(fields):
        problems.append(f"no usable field among the {len(fields)} looked at ({blank[0]})")
    elif blank:
        notes.append(f"{len(blank)} of the {len(fields)} fields looked at are left out ({blank[0]})")
    return Sharp(of_file, tuple(fields), tuple(problems), tuple(notes))
