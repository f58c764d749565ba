"""A pyramid as DICOM: VL Whole Slide Microscopy images (PS3.3 A.32.8), one file a level, for archives and viewers.

Tiles are JPEG 2000 without loss, or the JPEG that they were encoded by. Frames are written one after the other, with an
extended offset table, so that memory holds one tile and files may be larger than 4 GB. Dates that the standard asks for
are the year 1900, as in data without identities: a date would make every run another file, and the source's is nobody's
business here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage, generate_uid

from tsva.slides.pyramid import NOTICE, SlideFacts
from tsva.slides.stored_tiles import TILE_PX, Shape, TileCodec, tile_grid, tiles_of
from tsva.slides.workplace import Key

NO_DATE, NO_TIME = "19000101", "000000"
UNKNOWN = "unknown"
MICROSCOPE_SLIDE = Code("433466003", "SCT", "Microscope slide")
FULL_SPECTRUM = Code("414298005", "SCT", "Full Spectrum")
ITEM, SEQUENCE_END = struct.Struct("<HHI"), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
PIXEL_DATA = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + ITEM.pack(0xFFFE, 0xE000, 0)
"""Encapsulated pixels begin, with an empty basic offset table."""
Tile = Callable[[int, int, int], bytes]


def level_file(folder: Path, level: int) -> Path:
    """Of a level, the finest is 0."""
    return folder / f"level-{level}.dcm"


def write_dicom(
    folder: Path, shapes: list[Shape], codec: TileCodec, tile: Tile, facts: SlideFacts, identity: str
) -> None:
    """Write a pyramid of tiles that are encoded already.

    Parameters
    ----------
    folder : Path
        There already.
    shapes : list of (int, int)
        Height and width of each level.
    codec : TileCodec
        What the tiles were encoded by.
    tile : callable
        ``tile(level, row, column)`` gives the bytes of a tile.
    facts : SlideFacts
        Where they hold no profile of colours, the file has none.
    identity : str
        What the files' unique identifiers are made of, by a hash: the same run gives the same ones.
    """
    for level, shape in enumerate(shapes):
        with level_file(folder, level).open("w+b") as file:
            dcmwrite(file, _header(level, shapes, codec, facts, identity), enforce_file_format=True)
            _fill_table(file, _frames(file, tiles_of(level, shape), codec, tile))


def smallest_dicom_level(folder: Path, most_px: int) -> np.ndarray:
    """(Y, X, C) pixels of the finest level of `write_dicom`'s that is no larger; of the coarsest if all are."""
    files = sorted(folder.glob("level-*.dcm"), key=lambda file: int(file.stem.partition("-")[2]))
    sizes = [dcmread(file, stop_before_pixels=True) for file in files]
    edges = [max(held.TotalPixelMatrixRows, held.TotalPixelMatrixColumns) for held in sizes]
    held = dcmread(next((file for file, edge in zip(files, edges, strict=True) if edge <= most_px), files[-1]))
    height, width, channels = held.TotalPixelMatrixRows, held.TotalPixelMatrixColumns, held.SamplesPerPixel
    rows, columns = tile_grid((height, width))
    whole = np.empty((rows * TILE_PX, columns * TILE_PX, channels), np.uint8)
    for number, frame in enumerate(generate_frames(held.PixelData, number_of_frames=rows * columns)):
        y, x = (number // columns) * TILE_PX, (number % columns) * TILE_PX
        whole[y : y + TILE_PX, x : x + TILE_PX] = imagecodecs.imread(frame).reshape(TILE_PX, TILE_PX, channels)
    return whole[:height, :width]


def _frames(file: BinaryIO, keys: Iterable[Key], codec: TileCodec, tile: Tile) -> list[int]:
    """Append the pixels; lengths of all frames."""
    lengths = []
    file.write(PIXEL_DATA)
    for key in keys:
        stored = tile(key.level, key.row, key.column)
        frame = _lossless(codec.decode(stored)) if codec.lossless else stored
        frame += b"\0" * (len(frame) % 2)
        file.write(ITEM.pack(0xFFFE, 0xE000, len(frame)) + frame)
        lengths.append(len(frame))
    file.write(SEQUENCE_END)
    return lengths


def _lossless(pixels: np.ndarray) -> bytes:
    grey = pixels.shape[2] == 1
    return bytes(
        imagecodecs.jpeg2k_encode(
            pixels[..., 0] if grey else pixels, level=0, reversible=True, codecformat="j2k", mct=not grey
        )
    )


def _fill_table(file: BinaryIO, lengths: list[int]) -> None:
    """Put the frames' offsets and lengths where `_header` left room for them, just before the pixels."""
    count = len(lengths)
    sizes = np.array(lengths, np.uint64)
    offsets = np.concatenate([[np.uint64(0)], np.cumsum(sizes + np.uint64(ITEM.size))[:-1]]).astype("<u8")
    end_of_header = file.tell() - int(sizes.sum()) - count * ITEM.size - len(SEQUENCE_END) - len(PIXEL_DATA)
    table = 8 * count
    file.seek(end_of_header - table)
    file.write(sizes.astype("<u8").tobytes())
    file.seek(end_of_header - table - 12 - table)  # 12: tag, kind and length of the lengths' own element
    file.write(offsets.tobytes())


def _header(level: int, shapes: list[Shape], codec: TileCodec, facts: SlideFacts, identity: str) -> Dataset:
    """All but the pixels; offsets and lengths of frames are zeros as yet."""
    (height, width), whole = shapes[level], shapes[0]
    count = int(np.prod(tile_grid((height, width))))
    mm = [facts.pixel_um / 1000 * full / own for full, own in zip(whole, (height, width), strict=True)]
    held = Dataset()
    held.file_meta = FileMetaDataset()
    held.file_meta.TransferSyntaxUID = JPEG2000Lossless if codec.lossless else JPEGBaseline8Bit
    held.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    held.SOPInstanceUID = _uid(identity, f"level {level}")
    held.StudyInstanceUID, held.SeriesInstanceUID = _uid(identity, "study"), _uid(identity, "series")
    held.FrameOfReferenceUID, held.PyramidUID = _uid(identity, "frame of reference"), _uid(identity, "pyramid")
    held.PatientName = held.PatientID = held.PatientBirthDate = held.PatientSex = ""
    held.StudyDate = held.StudyTime = held.StudyID = held.AccessionNumber = held.ReferringPhysicianName = ""
    held.ContentDate, held.ContentTime, held.AcquisitionDateTime = NO_DATE, NO_TIME, NO_DATE + NO_TIME
    held.Modality, held.SeriesNumber, held.InstanceNumber = "SM", 1, level + 1
    held.Manufacturer = held.ManufacturerModelName = "tsva"
    held.DeviceSerialNumber, held.SoftwareVersions = UNKNOWN, version("tsva")
    held.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED" if level else "NONE"]
    stated = {**facts.provenance, "notice": NOTICE}
    held.DerivationDescription = "; ".join(f"{key}: {text}" for key, text in stated.items())[:1024]
    held.ContentQualification, held.BurnedInAnnotation, held.SpecimenLabelInImage = "RESEARCH", "NO", "NO"
    held.VolumetricProperties, held.PositionReferenceIndicator = "VOLUME", UNKNOWN
    held.FocusMethod, held.ExtendedDepthOfField = "AUTO", "NO"
    _describe_pixels(held, codec, facts)
    held.Rows = held.Columns = TILE_PX
    held.TotalPixelMatrixRows, held.TotalPixelMatrixColumns = height, width
    held.TotalPixelMatrixFocalPlanes, held.NumberOfFrames = 1, count
    held.ImagedVolumeHeight, held.ImagedVolumeWidth = (facts.pixel_um / 1000 * edge for edge in whole)
    held.ImagedVolumeDepth = 0.001
    held.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    held.TotalPixelMatrixOriginSequence = _one(XOffsetInSlideCoordinateSystem=0, YOffsetInSlideCoordinateSystem=0)
    held.DimensionOrganizationType = "TILED_FULL"
    held.DimensionOrganizationSequence = _one(DimensionOrganizationUID=_uid(identity, "dimensions"))
    shared = _one(
        PixelMeasuresSequence=_one(PixelSpacing=[f"{value:.10g}" for value in mm], SliceThickness=0.001),
        WholeSlideMicroscopyImageFrameTypeSequence=_one(FrameType=held.ImageType),
    )
    held.SharedFunctionalGroupsSequence = shared
    _describe_specimen(held, identity)
    held.ExtendedOffsetTable = held.ExtendedOffsetTableLengths = bytes(8 * count)
    return held


def _describe_pixels(held: Dataset, codec: TileCodec, facts: SlideFacts) -> None:
    colour = codec.channels == 3
    held.SamplesPerPixel = codec.channels
    held.PhotometricInterpretation = ("YBR_RCT" if codec.lossless else "RGB") if colour else "MONOCHROME2"
    if colour:
        held.PlanarConfiguration = 0
    held.BitsAllocated = held.BitsStored = 8
    held.HighBit, held.PixelRepresentation = 7, 0
    held.LossyImageCompression = "00" if codec.lossless else "01"
    if not codec.lossless:
        held.LossyImageCompressionMethod = "ISO_10918_1"
    path = Dataset()
    path.OpticalPathIdentifier = "1"
    path.IlluminationTypeCodeSequence = _code(codes.DCM.BrightfieldIllumination)
    path.IlluminationColorCodeSequence = _code(FULL_SPECTRUM)
    if facts.magnification:
        path.ObjectiveLensPower = facts.magnification
    if facts.icc_profile:
        path.ICCProfile = facts.icc_profile + b"\0" * (len(facts.icc_profile) % 2)
    held.NumberOfOpticalPaths, held.OpticalPathSequence = 1, Sequence([path])


def _describe_specimen(held: Dataset, identity: str) -> None:
    """Of the glass slide nothing is stated; the standard wants the attributes all the same."""
    held.ContainerIdentifier = UNKNOWN
    held.ContainerTypeCodeSequence = _code(MICROSCOPE_SLIDE)
    held.IssuerOfTheContainerIdentifierSequence = held.AcquisitionContextSequence = Sequence()
    held.SpecimenDescriptionSequence = _one(
        SpecimenIdentifier=UNKNOWN,
        SpecimenUID=_uid(identity, "specimen"),
        IssuerOfTheSpecimenIdentifierSequence=Sequence(),
        SpecimenPreparationSequence=Sequence(),
    )


def _uid(identity: str, what: str) -> str:
    return str(generate_uid(entropy_srcs=["tsva", identity, what]))


def _one(**values: object) -> Sequence:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return Sequence([item])


def _code(code: Code) -> Sequence:
    return _one(CodeValue=code.value, CodingSchemeDesignator=code.scheme_designator, CodeMeaning=code.meaning)
