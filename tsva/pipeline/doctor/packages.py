"""Python, the packages and their versions, and the libraries behind them: OpenSlide, and the fonts of figures."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from tsva.pipeline.doctor.finding import Finding

OLDEST_PYTHON = (3, 11)
SHOWN = ("snakemake", "torch", "tifffile", "openslide-python", "numpy", "pandas")
SET_UP = "Set the environment up again: bash envs/setup.sh"


def installed(names: Sequence[str]) -> dict[str, str]:
    """Versions of those packages that are there."""
    out = {}
    for name in names:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out


def required() -> list[Requirement]:
    """What this package needs, without its extras."""
    found = [Requirement(text) for text in requires("tsva") or []]
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": ""})]


def check_python(info: tuple[int, ...], executable: str) -> Finding:
    """Whether this Python is new enough."""
    text = ".".join(map(str, info[:3]))
    if info[:2] < OLDEST_PYTHON:
        return Finding("python", "bad", f"{text} ({executable})", "Set up with PYTHON=python3.11 or newer: " + SET_UP)
    return Finding("python", "ok", text)


def check_packages(needs: Sequence[Requirement], have: Mapping[str, str]) -> list[Finding]:
    """Whether every required package is there, in a version that fits.

    Parameters
    ----------
    needs : sequence of Requirement
        From `required`.
    have : mapping of str to str
        Versions by name.

    Returns
    -------
    list of Finding
        One for what is well, and one for each package that isn't.
    """
    out = []
    for need in needs:
        # a local build such as 2.13.0+cpu is that version
        there = have.get(need.name)
        if there is None:
            out.append(Finding("packages", "bad", f"{need.name} is missing", SET_UP))
        elif not need.specifier.contains(there.split("+")[0], prereleases=True):
            out.append(Finding("packages", "bad", f"{need.name} {there}, wanted {need.specifier}", SET_UP))
    fine = ", ".join(f"{name} {have[name]}" for name in SHOWN if name in have)
    return out or [Finding("packages", "ok", fine)]


def check_command(found: str | None, executable: str) -> Finding:
    """Whether the `tsva` that rules call is the one of this Python.

    Parameters
    ----------
    found : str or None
        Path of `tsva` on the search path.
    executable : str
        This Python.
    """
    mine = Path(executable).parent
    do = f"Put {mine} first on PATH (. .venv/bin/activate), or run bash envs/run.sh"
    if found is None:
        return Finding("tsva command", "bad", "not on the search path, and every rule calls it", do)
    if Path(found).parent != mine:
        return Finding("tsva command", "note", f"{found} is another environment's than {executable}", do)
    return Finding("tsva command", "ok", "the one of this Python")


def look() -> list[Finding]:
    """All of it, of this process."""
    needs = required()
    return [
        check_python(sys.version_info[:3], sys.executable),
        *check_packages(needs, installed([*SHOWN, *(need.name for need in needs)])),
        check_command(shutil.which("tsva"), sys.executable),
    ]


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


def look_at_libraries() -> list[Finding]:
    """All of it, of this machine."""
    import matplotlib as mpl

    cache = Path(mpl.get_cachedir())
    return [check_openslide(openslide_version), *check_fonts(lacking_letters(), os.access(cache, os.W_OK))]
