"""Which reader takes a file or folder, told by its content."""

from __future__ import annotations

from pathlib import Path

from tsva.errors import UserError
from tsva.io.stored import StoredImage
from tsva.io.tiff_stacks import tiff_images


def stored_images(path: Path) -> list[StoredImage]:
    """Images of a file or folder, before any pixel is read.

    Parameters
    ----------
    path : Path
        TIFF of any kind (OME-TIFF, ImageJ, NDPI).

    Returns
    -------
    list of StoredImage
        At least one.

    Raises
    ------
    UserError
        If it is missing, damaged, of no known kind, or its reader is not installed.
    """
    if not path.exists():
        raise UserError(str(path), got="no such file", wanted="an image", do="Mend the path.")
    return tiff_images(path)
