"""Libraries behind packages: OpenSlide, and the fonts of figures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tsva.pipeline.doctor.finding import Finding

LETTERS = "µΔδ±×·≥"
"""What figures write beside ASCII."""
FONT = "DejaVu Sans"


def check_openslide(version: Callable[[], str]) -> Finding:
    """Whether OpenSlide's library loads.

    Parameters
    ----------
    version : callable
        Gives the library's version, or raises as the import of `openslide` does.
    """
    try:
        return Finding("OpenSlide", "ok", f"library {version()}")
    except (ImportError, OSError) as error:
        return Finding(
            "OpenSlide",
            "bad",
            f"its library can't be loaded: {' '.join(str(error).split())}",
            "pip install openslide-bin, or set the environment up again: bash envs/setup.sh",
        )


def check_fonts(lacking: str | None, cache_writable: bool) -> list[Finding]:
    """Whether figures can be labelled.

    Parameters
    ----------
    lacking : str or None
        Letters that the font lacks; None if there is no such font.
    cache_writable : bool
        Whether matplotlib can remember its list of fonts.
    """
    out = []
    if lacking is None:
        out.append(
            Finding("fonts", "note", f"no {FONT}, which matplotlib brings", "pip install --force-reinstall matplotlib")
        )
    elif lacking:
        out.append(
            Finding("fonts", "note", f"{FONT} lacks {lacking}", "Figures show boxes there; reinstall matplotlib")
        )
    else:
        out.append(Finding("fonts", "ok", FONT))
    if not cache_writable:
        out.append(
            Finding(
                "fonts",
                "note",
                "matplotlib can't write its cache, and looks for fonts at every start",
                "export MPLCONFIGDIR=some/folder that can be written to",
            )
        )
    return out


def openslide_version() -> str:
    """Of the library."""
    import openslide

    return str(openslide.__library_version__)


def lacking_letters() -> str | None:
    """Letters that the font of figures lacks."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    try:
        path = font_manager.findfont(FONT, fallback_to_default=False)
    except ValueError:
        return None
    known = FT2Font(path).get_charmap()
    return "".join(letter for letter in LETTERS if ord(letter) not in known)


def look() -> list[Finding]:
    """All of it, of this machine."""
    import matplotlib as mpl

    cache = Path(mpl.get_cachedir())
    return [check_openslide(openslide_version), *check_fonts(lacking_letters(), os.access(cache, os.W_OK))]
