"""What a file is: its format, and what its header tells of the microscope."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tsva.errors import UserError
from tsva.readers.formats import stored_images
from tsva.readers.guess import guess_pattern, is_unit_guessed
from tsva.readers.head import head_of
from tsva.readers.jiang2018 import LOCATION
from tsva.readers.listing import shown
from tsva.readers.registry import format_of, images_below
from tsva.readers.sharp import flat_image
from tsva.readers.slide import is_slide
from tsva.readers.stored import StoredImage

Kind = Literal["stack", "planes", "image", "jiang2018"]


@dataclass(frozen=True)
class Facts:
    """What can be told without reading pixels.

    Attributes
    ----------
    source : str
        What the slide sheet calls such a thing.
    pattern : str
        Names of the planes, for source `planes`.
    told : dict of str to str
        Format, size, channels and so on, for printing.
    """

    source: Kind
    pattern: str
    told: dict[str, str]


def find_facts(path: Path, pattern: str) -> Facts:
    """Tell what a file or folder is, by what readers say of it.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    pattern : str
        Of the names of planes; empty: guessed.

    Raises
    ------
    UserError
        If there is nothing, or nothing that is known.
    """
    if not path.exists():
        raise UserError(str(path), got="nothing there", wanted="a file or folder", do="Mend the path.")
    if path.is_dir() and (pattern or format_of(path) is None):
        return _of_folder(path, pattern)
    if pattern:
        raise UserError(
            str(path),
            got=f"a file, and the pattern {pattern!r}",
            wanted="a pattern with the folder of the planes",
            do="Name the folder, or leave out --pattern.",
        )
    return _of_images(_images(path))


def _images(path: Path) -> list[StoredImage]:
    """Images with focal planes, if there are any; else the flat one."""
    if is_slide(path) and not _may_have_planes(path):
        return [flat_image(path)]
    images = stored_images(path)
    return [image for image in images if image.planes > 1] or [flat_image(path)]


def _may_have_planes(path: Path) -> bool:
    """Whether it is of one of the scanners' formats that hold focal planes."""
    known = format_of(path)
    return known is not None and (known.name != "TIFF" or head_of(path).is_ndpi)


def _of_images(images: list[StoredImage]) -> Facts:
    first = images[0]
    planes = f"{first.planes} planes" if first.planes > 1 else ""
    told = {"format": ", ".join(part for part in (first.format, planes, first.stored_as) if part)}
    if len(images) > 1:
        told["images"] = str(len(images))
    if len(first.levels) > 1:
        told["pyramid"] = f"{len(first.levels)} levels"
    kind = {1: "grey", 3: "RGB", 4: "RGB and opacity"}.get(len(first.channels), f"{len(first.channels)} channels")
    told["size"] = f"{first.width_px} × {first.height_px} pixels"
    told["channels"] = f"{kind}, {first.bits or first.depth} bits"
    lens = first.objective
    words = [f"{lens.magnification:g}×" if lens.magnification else "", f"NA {lens.na:g}" if lens.na else ""]
    if text := " ".join(word for word in (*words, lens.immersion) if word):
        told["objective"] = text
    return Facts("stack" if first.planes > 1 else "image", "", told)


def _of_folder(path: Path, pattern: str) -> Facts:
    if not pattern and any(LOCATION.fullmatch(place.name) for place in (path, *path.rglob("s*_l*"))):
        return Facts("jiang2018", "", {"format": "layout of Jiang et al. 2018"})
    taken, left = images_below(path)
    files = [file for file in taken if not head_of(file).is_companion]
    if not files:
        raise UserError(
            str(path),
            got=f"a folder without TIFF, PNG or JPEG files, or others that are read here{_shown(path, left)}",
            wanted="planes or z-stacks",
            do="Mend the path.",
        )
    first = files[0]
    told = _of_images(_images(first))
    if told.source == "stack" and not pattern:
        listed = f"{len(taken)} taken, the first of which is {first.name}{_shown(path, left)}"
        return Facts("stack", "", {"files": listed, **told.told})
    names = [file.relative_to(path).as_posix() for file in files if _is_flat(file)]
    guessed = pattern or guess_pattern(names) or ""
    if not guessed:
        raise UserError(
            str(path),
            got=f"{len(files)} images like {first.name}, whose names don't tell which number is z",
            wanted="a pattern like {field}_z{z}um.tif",
            do="Give --pattern (docs/formats.md).",
        )
    unit = {"z in names": "micrometres, though they don't say so"} if is_unit_guessed(guessed) else {}
    return Facts("planes", guessed, {"files": f"{len(names)} images, one a plane", **told.told, **unit})


def _is_flat(path: Path) -> bool:
    return head_of(path).is_tiff or head_of(path).is_picture


def _shown(folder: Path, left: list[Path]) -> str:
    names = shown([place.relative_to(folder).as_posix() for place in left])
    return f"; {len(left)} other files left ({names})" if left else ""
