"""What a file is: its format, and what its header tells of the microscope."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import openslide
from tifffile import TiffFile

from tsva.errors import UserError
from tsva.readers.formats import stored_images
from tsva.readers.guess import guess_pattern
from tsva.readers.head import head_of
from tsva.readers.images import is_tiff, read_image
from tsva.readers.jiang2018 import LOCATION
from tsva.readers.listing import PICTURE_ENDINGS, files_below
from tsva.readers.ome_set import first_of_set
from tsva.readers.registry import format_of
from tsva.readers.tiff import open_tiff
from tsva.readers.tiff_series import count_planes

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
    """Tell what a file or folder is.

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
    stacks = _of_other_format(path) if path.exists() and not pattern else None
    if stacks is not None:
        return stacks
    if path.is_dir():
        return _of_folder(path, pattern)
    if not path.is_file():
        raise UserError(str(path), got="nothing there", wanted="a file or folder", do="Mend the path.")
    if pattern:
        raise UserError(
            str(path),
            got=f"a file, and the pattern {pattern!r}",
            wanted="a pattern with the folder of the planes",
            do="Name the folder, or leave out --pattern.",
        )
    if head_of(path).is_companion:
        path = first_of_set(path)
    vendor = openslide.OpenSlide.detect_format(path)
    if vendor not in (None, "generic-tiff"):
        return Facts("image", "", {"format": f"whole slide ({vendor})", **_of_slide(path)})
    if is_tiff(path):
        return _of_tiff(path)
    if path.suffix.lower() in PICTURE_ENDINGS:
        pixels = read_image(path)
        told = {
            "format": path.suffix[1:].upper().replace("JPG", "JPEG"),
            **_pixels(pixels.shape[0], pixels.shape[1], pixels.shape[2], 8),
        }
        return Facts("image", "", told)
    return Facts("stack", "", {"format": path.suffix[1:].upper() or "unknown"})


def _of_other_format(path: Path) -> Facts | None:
    """Z-stacks that are neither plain TIFF nor pictures; None for anything else, flat slides among it."""
    known = format_of(path)
    if known is None or (known.name == "TIFF" and not head_of(path).is_ndpi):
        return None
    images = [image for image in stored_images(path) if image.planes > 1]
    if not images:
        return None
    first, objective = images[0], images[0].objective
    told = {"format": f"{first.format}, {first.planes} focal planes"}
    if len(images) > 1:
        told["images"] = str(len(images))
    told |= _pixels(first.height_px, first.width_px, len(first.channels), first.bits or first.depth)
    lens = [f"{objective.magnification:g}×"] if objective.magnification else []
    lens += [f"NA {objective.na:g}"] if objective.na else []
    return Facts("stack", "", {**told, "objective": " ".join(lens)} if lens else told)


def _of_folder(path: Path, pattern: str) -> Facts:
    if not pattern and any(LOCATION.fullmatch(place.name) for place in (path, *path.rglob("s*_l*"))):
        return Facts("jiang2018", "", {"format": "layout of Jiang et al. 2018"})
    files = [file for file in files_below(path) if file.suffix.lower() in PICTURE_ENDINGS]
    if not files:
        raise UserError(
            str(path), got="a folder without TIFF, PNG or JPEG files", wanted="planes or z-stacks", do="Mend the path."
        )
    first = files[0]
    if is_tiff(first):
        facts = _of_tiff(first)
        if facts.source == "stack" and not pattern:
            return Facts("stack", "", {"files": f"{len(files)}, the first of which is {first.name}", **facts.told})
    guessed = pattern or guess_pattern([file.relative_to(path).as_posix() for file in files]) or ""
    if not guessed:
        raise UserError(
            str(path),
            got=f"{len(files)} images like {first.name}, whose names don't tell which number is z",
            wanted="a pattern like {field}_z{z}um.tif",
            do="Give --pattern (docs/formats.md).",
        )
    told = facts.told if is_tiff(first) else find_facts(first, "").told
    return Facts("planes", guessed, {"files": f"{len(files)} images, one a plane", **told})


def _of_tiff(path: Path) -> Facts:
    with open_tiff(path) as tif:
        series = tif.series[0]
        page = series.keyframe
        planes = _most_planes(tif, path)
        colour = getattr(page.compression, "name", str(page.compression)).lower().replace("none", "not compressed")
        told = {"format": f"{_dialect(tif)}, {len(tif.pages)} page{'s' * (len(tif.pages) > 1)}, {colour}"}
        if len(tif.series) > 1 and planes > 1:
            told["images"] = str(len(tif.series))
        if len(series.levels) > 1:
            told["pyramid"] = f"{len(series.levels)} levels"
        height, width = page.imagelength, page.imagewidth
        told |= _pixels(height, width, page.samplesperpixel * _separate(series.axes, series.shape), page.bitspersample)
        told |= _objective(tif.ome_metadata or "" if tif.is_ome else "")
    return Facts("stack" if planes > 1 else "image", "", told)


def _most_planes(tif: TiffFile, path: Path) -> int:
    try:
        return max(count_planes(series, str(path)) for series in tif.series)
    except UserError:
        return 2  # axes beside z, which whoever reads the planes tells of


def _separate(axes: str, shape: tuple[int, ...]) -> int:
    """Channels that are pages of their own."""
    return shape[axes.index("C")] if "C" in axes else 1


def _dialect(tif: TiffFile) -> str:
    if tif.is_ome:
        return "OME-TIFF"
    return "ImageJ TIFF" if tif.is_imagej else "TIFF"


def _pixels(height: int, width: int, channels: int, bits: int) -> dict[str, str]:
    kind = {1: "grey", 3: "RGB", 4: "RGB and opacity"}.get(channels, f"{channels} channels")
    return {"size": f"{width} × {height} pixels", "channels": f"{kind}, {bits} bits"}


def _of_slide(path: Path) -> dict[str, str]:
    with openslide.OpenSlide(path) as slide:
        width, height = slide.dimensions
        told = {"pyramid": f"{slide.level_count} level{'s' * (slide.level_count > 1)}", **_pixels(height, width, 3, 8)}
        power = slide.properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER)
    return {**told, "objective": f"{power}×"} if power else told


def _objective(xml: str) -> dict[str, str]:
    """Magnification and aperture, where an OME header names them."""
    parts = list(dict.fromkeys(_objectives(xml)))
    return {"objective": "; ".join(parts)} if parts else {}


def _objectives(xml: str) -> Iterator[str]:
    if not xml:
        return
    for lens in ElementTree.fromstring(xml).iterfind("{*}Instrument/{*}Objective"):
        power, na = lens.get("NominalMagnification"), lens.get("LensNA")
        words = [f"{float(power):g}×" if power else "", f"NA {float(na):g}" if na else "", lens.get("Immersion", "")]
        text = re.sub(r"\s+", " ", " ".join(words)).strip()
        if text:
            yield text
