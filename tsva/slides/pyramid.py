"""Pyramids in two formats that other programs read: one OME-TIFF file, and OME-Zarr 0.4.

OME-TIFF, for OpenSlide, Bio-Formats and tifffile: levels are SubIFDs of the first one, as OME-TIFF 6 wants them.
OpenSlide knows no SubIFDs but follows the chain of pages, and Bio-Formats takes pages of the chain that its header
does not name for nothing. So each page's link to the next one is set to the next level.

OME-Zarr (Zarr format 2), for napari, QuPath and Bio-Formats: lossless, one chunk a tile.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
import tifffile
import zarr
from numcodecs import Zstd

from tsva.slides.stored_tiles import TILE_PX, Shape, TileCodec, tiles_of

UM_PER_CM = 10_000.0
CLASSIC_BYTES = 4_000_000_000
"""Files that may grow beyond have the offsets of BigTIFF."""
OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
NOTICE = "For research use only. Not for use in diagnostic procedures."
"""In every output."""


@dataclass(frozen=True)
class SlideFacts:
    """What a pyramid file says beside its pixels. Nothing of it comes from texts, dates or names of the source.

    Attributes
    ----------
    pixel_um : float
    magnification : float or None
        Of the objective.
    icc_profile : bytes or None
    provenance : dict of str to str
        How it was made.
    """

    pixel_um: float
    magnification: float | None = None
    icc_profile: bytes | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)


def write_pyramid(
    path: Path,
    shapes: list[Shape],
    codec: TileCodec,
    tile: Callable[[int, int, int], bytes],
    facts: SlideFacts,
    stored_bytes: int,
) -> None:
    """Write a pyramid of tiles that are encoded already.

    Parameters
    ----------
    path : Path
    shapes : list of (int, int)
        Height and width of each level.
    codec : TileCodec
        What the tiles were encoded by.
    tile : callable
        ``tile(level, row, column)`` gives the bytes of a tile.
    facts : SlideFacts
    stored_bytes : int
        Of all tiles together, which decides on BigTIFF.
    """
    with tifffile.TiffWriter(path, bigtiff=stored_bytes > CLASSIC_BYTES) as writer:
        for level, shape in enumerate(shapes):
            first: dict[str, Any] = {"subfiletype": 1}
            if level == 0:
                first = {
                    "subifds": len(shapes) - 1,
                    "description": ome_header(shapes[0], codec.channels, facts),
                    "software": f"tsva {version('tsva')}",
                    "iccprofile": facts.icc_profile,
                }
            per_cm = UM_PER_CM / (facts.pixel_um * shapes[0][1] / shape[1])
            writer.write(
                (tile(level, key.row, key.column) for key in tiles_of(level, shape)),
                shape=(*shape, codec.channels) if codec.channels == 3 else shape,
                dtype="uint8",
                photometric="rgb" if codec.channels == 3 else "minisblack",
                tile=(TILE_PX, TILE_PX),
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                metadata=None,
                **_compression(codec),
                **first,
            )
    _link_levels(path)


def _compression(codec: TileCodec) -> dict[str, Any]:
    if codec.lossless:
        return {"compression": "adobe_deflate", "predictor": 2}
    if codec.channels == 1:
        return {"compression": "jpeg"}
    return {"compression": "jpeg", "compressionargs": {"outcolorspace": "rgb"}}


def _link_levels(path: Path) -> None:
    """Let each page's link to the next one lead to the next level."""
    with tifffile.TiffFile(path) as tif:
        first = tif.pages.first
        offsets = [first.offset, *(first.subifds or ())]
        layout = tif.tiff
    with path.open("r+b") as file:
        for here, after in zip(offsets, [*offsets[1:], 0], strict=True):
            file.seek(here)
            (tags,) = struct.unpack(layout.tagnoformat, _exactly(file, layout.tagnosize))
            file.seek(here + layout.tagnosize + tags * layout.tagsize)
            file.write(struct.pack(layout.offsetformat, after))


def _exactly(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) != count:
        raise OSError(f"file write failed: {count} bytes expected")
    return found


def ome_header(shape: Shape, channels: int, facts: SlideFacts) -> bytes:
    """The OME-XML header of a flat image: size, pixel size, objective, provenance, and nothing else.

    The name that OME wants for a file follows from what the header says, so that the same run gives the same bytes.
    """
    ElementTree.register_namespace("", OME)
    root = ElementTree.Element(f"{{{OME}}}OME", Creator=f"tsva {version('tsva')}")

    def below(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
        return ElementTree.SubElement(parent, f"{{{OME}}}{tag}", attributes)

    if facts.magnification:
        instrument = below(root, "Instrument", ID="Instrument:0")
        below(instrument, "Objective", ID="Objective:0", NominalMagnification=f"{facts.magnification:g}")
    image = below(root, "Image", ID="Image:0", Name="in-focus slide")
    below(image, "Description").text = NOTICE
    if facts.magnification:
        below(image, "InstrumentRef", ID="Instrument:0")
        below(image, "ObjectiveSettings", ID="Objective:0")
    size = {"SizeX": str(shape[1]), "SizeY": str(shape[0]), "SizeZ": "1", "SizeC": str(channels), "SizeT": "1"}
    scale = {f"PhysicalSize{axis}": f"{facts.pixel_um!r}" for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    pixels = below(
        image,
        "Pixels",
        ID="Pixels:0",
        DimensionOrder="XYCZT",
        Type="uint8",
        **size,
        **scale,
        **units,
        Interleaved="true",
    )
    below(pixels, "Channel", ID="Channel:0:0", SamplesPerPixel=str(channels))
    below(pixels, "TiffData", IFD="0", PlaneCount="1")
    below(image, "AnnotationRef", ID="Annotation:0")
    annotations = below(root, "StructuredAnnotations")
    annotation = below(annotations, "MapAnnotation", ID="Annotation:0", Namespace="tsva/provenance")
    value = below(annotation, "Value")
    for key, text in {**facts.provenance, "notice": NOTICE}.items():
        below(value, "M", K=key).text = text
    name = hashlib.blake2b(ElementTree.tostring(root), digest_size=16).digest()
    root.set("UUID", f"urn:uuid:{uuid.UUID(bytes=name)}")
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root, encoding="utf-8")


ZSTD_LEVEL = 5
COLOURS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))
GREY = (("grey", "FFFFFF"),)


def is_dicom_folder(out: Path) -> bool:
    """Whether an output's name asks for DICOM."""
    return out.name.endswith(".dicom")


def is_zarr(out: Path) -> bool:
    """Whether an output's name asks for OME-Zarr."""
    return out.name.endswith(".ome.zarr")


def write_zarr(
    folder: Path,
    shapes: list[Shape],
    codec: TileCodec,
    tile: Callable[[int, int, int], bytes],
    facts: SlideFacts,
) -> None:
    """Write a pyramid of tiles that are encoded already.

    Parameters
    ----------
    folder : Path
    shapes : list of (int, int)
        Height and width of each level.
    codec : TileCodec
        What the tiles were encoded by.
    tile : callable
        ``tile(level, row, column)`` gives the bytes of a tile.
    facts : SlideFacts
        The profile of colours has no place in OME-Zarr, and is left out.
    """
    group = zarr.open_group(folder, mode="a", zarr_format=2)  # "w" would take the lock of the folder away
    for level, (height, width) in enumerate(shapes):
        array = group.create_array(
            str(level),
            shape=(codec.channels, height, width),
            chunks=(codec.channels, TILE_PX, TILE_PX),
            dtype="uint8",
            compressors=Zstd(level=ZSTD_LEVEL),
            fill_value=0,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        for key in tiles_of(level, (height, width)):
            y, x = key.row * TILE_PX, key.column * TILE_PX
            pixels = codec.decode(tile(level, key.row, key.column))[: height - y, : width - x]
            array[:, y : y + TILE_PX, x : x + TILE_PX] = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    group.attrs.update(_attributes(shapes, codec.channels, facts))


def smallest_zarr_level(folder: Path, most_px: int) -> np.ndarray:
    """(Y, X, C) pixels of the finest level of `write_zarr`'s that is no larger; of the coarsest if all are."""
    group = zarr.open_group(folder, mode="r")
    levels = [array for _, array in sorted(group.arrays(), key=lambda named: int(named[0]))]
    small = next((array for array in levels if max(array.shape[1:]) <= most_px), levels[-1])
    return np.asarray(small[:]).transpose(1, 2, 0)


def _attributes(shapes: list[Shape], channels: int, facts: SlideFacts) -> dict[str, Any]:
    """Metadata by the specification of OME-Zarr 0.4, and how the slide was made."""
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = []
    for level, (height, width) in enumerate(shapes):
        scale = [1.0, facts.pixel_um * shapes[0][0] / height, facts.pixel_um * shapes[0][1] / width]
        # halved pixels lie between those that they are means of
        start = [0.0, *((edge - facts.pixel_um) / 2 for edge in scale[1:])]
        transformations = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": start}]
        datasets.append({"path": str(level), "coordinateTransformations": transformations})
    window = {"start": 0, "end": 255, "min": 0, "max": 255}
    names = COLOURS if channels == 3 else GREY
    return {
        "multiscales": [
            {
                "version": "0.4",
                "name": "in-focus slide",
                "axes": [{"name": "c", "type": "channel"}, *space],
                "datasets": datasets,
                "type": "mean",
            }
        ],
        "omero": {
            "channels": [
                {"label": label, "color": colour, "active": True, "window": window} for label, colour in names
            ],
            "rdefs": {"model": "color" if channels == 3 else "greyscale"},
        },
        "tsva": {
            **facts.provenance,
            "software": f"tsva {version('tsva')}",
            "magnification": facts.magnification,
            "notice": NOTICE,
        },
    }
