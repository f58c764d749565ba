"""The colour profile that an image file carries."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import openslide
import tifffile

from tsva.readers.head import head_of
from tsva.readers.tiff import DAMAGED

ICC_TAG = 34675
SIGNATURE = slice(36, 40)
"""Where every ICC profile holds the letters ``acsp``."""


def icc_profile_of(path: Path) -> bytes | None:
    """The ICC profile of a TIFF file's first page, or of a slide that OpenSlide reads; None where there is none.

    A damaged profile counts as none: it tells of colours alone, and no pixel depends on it here.
    """
    found: bytes | None = None
    if path.is_file() and head_of(path).is_tiff:
        with suppress(*DAMAGED), tifffile.TiffFile(path) as tif:
            value = tif.pages.first.tags.valueof(ICC_TAG)
            found = bytes(value) if value is not None else None
    elif path.is_file():
        with suppress(openslide.OpenSlideError, *DAMAGED), openslide.OpenSlide(path) as slide:
            profile = slide.color_profile
            found = profile.tobytes() if profile is not None else None
    return found if found is not None and found[SIGNATURE] == b"acsp" else None
