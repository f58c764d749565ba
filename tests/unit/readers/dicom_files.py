"""Uncompressed DICOM whole slides with focal planes, laid out by pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, VLWholeSlideMicroscopyImageStorage

PIXEL_MM, STEP_MM = 0.000345, 0.0005


def write_dicom(path: Path, planes: np.ndarray, tile: int, *, placed: bool = False, **values: Any) -> None:
    """(Z, Y, X, C) uint8 or uint16 planes, Y and X multiples of `tile`; `values` replaces what the header says.

    Tiles are in full order, or each says its own place (`placed`).
    """
    depth, height, width, channels = planes.shape
    bits = planes.itemsize * 8
    corners = [(z, y, x) for z in range(depth) for y in range(0, height, tile) for x in range(0, width, tile)]
    frames = np.stack([planes[z, y : y + tile, x : x + tile] for z, y, x in corners])
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, VLWholeSlideMicroscopyImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    head = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    told = {
        "SOPClassUID": VLWholeSlideMicroscopyImageStorage,
        "SOPInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": "1.2.3",
        "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "Modality": "SM",
        "NumberOfFrames": len(frames),
        "Rows": tile,
        "Columns": tile,
        "TotalPixelMatrixRows": height,
        "TotalPixelMatrixColumns": width,
        "SamplesPerPixel": channels,
        "PhotometricInterpretation": "RGB" if channels == 3 else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "DimensionOrganizationType": "TILED_SPARSE" if placed else "TILED_FULL",
        "TotalPixelMatrixFocalPlanes": depth,
        "PixelData": frames.tobytes(),
        "SharedFunctionalGroupsSequence": [
            _item(PixelMeasuresSequence=[_item(PixelSpacing=[PIXEL_MM, PIXEL_MM], SpacingBetweenSlices=STEP_MM)])
        ],
        "TotalPixelMatrixOriginSequence": [_item(ZOffsetInSlideCoordinateSystem=0.0)],
        "OpticalPathSequence": [_item(ObjectiveLensPower=20.0, ObjectiveLensNumericalAperture=0.75)],
    }
    if channels == 3:
        told["PlanarConfiguration"] = 0
    if placed:
        told["PerFrameFunctionalGroupsSequence"] = [
            _item(
                PlanePositionSlideSequence=[
                    _item(
                        RowPositionInTotalImagePixelMatrix=y + 1,
                        ColumnPositionInTotalImagePixelMatrix=x + 1,
                        ZOffsetInSlideCoordinateSystem=z * STEP_MM * 1000,
                    )
                ]
            )
            for z, y, x in corners
        ]
    for name, value in {**told, **values}.items():
        setattr(head, name, value)
    head.save_as(path, enforce_file_format=True)


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item
