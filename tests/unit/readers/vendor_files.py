"""Leica LIF and Nikon ND2 files laid out by hand, as their libraries read and do not write them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

LUTS = {0: "Gray", 1: "Red", 2: "Green", 3: "Blue"}


def write_lif(path: Path, pixels: np.ndarray, pixel_m: float, step_m: float, tags: tuple[int, ...] = (0,)) -> Path:
    """One image: pixels (Z, Y, X, C), samples side by side, of channels with these tags (1 red, 2 green, 3 blue)."""
    count, height, width, samples = pixels.shape
    item = pixels.itemsize
    channels = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="{tag}" Resolution="{item * 8}" NameOfMeasuredQuantity="" Min="0"'
        f' Max="255" Unit="" LUTName="{LUTS[tag]}" IsLUTInverted="0" BytesInc="{place * item}" BitInc="0"/>'
        for place, tag in enumerate(tags)
    )
    axes = [(1, width, pixel_m, samples * item), (2, height, pixel_m, width * samples * item)]
    axes.append((3, count, step_m, height * width * samples * item))
    dimensions = "".join(
        f'<DimensionDescription DimID="{axis}" NumberOfElements="{size}" Origin="0" Length="{(size - 1) * step:.12g}"'
        f' Unit="m" BitInc="0" BytesInc="{stride}"/>'
        for axis, size, step, stride in axes
    )
    memory = f'<Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_1"/>'
    header = (
        '<LMSDataContainerHeader Version="2"><Element Name="p" Visibility="1" UniqueID="u"><Data/><Memory Size="0"'
        ' MemoryBlockID="MemBlock_0"/><Children><Element Name="s" UniqueID="v"><Data><Image><ImageDescription>'
        f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription><Attachment"
        ' Name="HardwareSetting"><ATLCameraSettingDefinition NumericalAperture="0.75" Magnification="20"/></Attachment>'
        f"</Image></Data>{memory}</Element></Children></Element></LMSDataContainerHeader>"
    ).encode("utf-16-le")
    blocks = [_lif_block("MemBlock_0", b""), _lif_block("MemBlock_1", pixels.tobytes())]
    path.write_bytes(struct.pack("<IIBI", 0x70, len(header) + 5, 0x2A, len(header) // 2) + header + b"".join(blocks))
    return path


def _lif_block(name: str, data: bytes) -> bytes:
    text = name.encode("utf-16-le")
    head = struct.pack("<IIBQBI", 0x70, len(text) + 14, 0x2A, len(data), 0x2A, len(name))
    return head + text + data


def write_nd2(path: Path, pixels: np.ndarray, pixel_um: float, step_um: float, *, top_down: bool = False) -> Path:
    """One position: grey pixels (Z, Y, X), or (Z, Y, X, 3) as a colour image."""
    count, height, width = pixels.shape[:3]
    samples, bits = pixels.shape[3] if pixels.ndim == 4 else 1, pixels.itemsize * 8
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": width * samples * pixels.itemsize,
        "uiHeight": height,
        "uiComp": samples,
        "uiBpcInMemory": bits,
        "uiBpcSignificant": 12 if bits == 16 else 8,
        "uiSequenceCount": count,
        "eCompression": 2,
    }
    loop = {"uiCount": count, "dZLow": 0.0, "dZHigh": step_um * (count - 1), "dZStep": step_um, "dZHome": 0.0}
    loop |= {"bZInverted": False, "iType": 4 if top_down else 0}
    plane: dict[str, object] = {
        "uiCompCount": samples,
        "uiSampleIndex": 0,
        "sDescription": "Brightfield",
        "uiColor": 0xFFFFFF,
    }
    plane["pFluorescentProbe"] = {"m_sName": "none"}
    picture = {
        "bCalibrated": pixel_um > 0,
        "dCalibration": pixel_um,
        "dObjectiveMag": 20.0,
        "dObjectiveNA": 0.75,
        "sPicturePlanes": {"uiCount": 1, "sPlaneNew": {"a0": plane}, "sSampleSetting": {"a0": {"uiX": 0}}},
    }
    chunks = {
        "ImageAttributesLV!": _level({"SLxImageAttributes": attributes}),
        "ImageMetadataSeqLV|0!": _level({"SLxPictureMetadata": picture}),
        "ImageMetadataLV!": _level({"SLxExperiment": {"eType": 4, "uLoopPars": loop}}),
    }
    chunks |= {f"ImageDataSeq|{number}!": bytes(8) + page.tobytes() for number, page in enumerate(pixels)}
    out = bytearray(_nd2_chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32))
    places = b""
    for name, data in chunks.items():
        places += name.encode() + struct.pack("<QQ", len(out), len(data))
        out += _nd2_chunk(name.encode(), data, 4072)
    start = len(out)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", start)
    out += _nd2_chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places + end, 32)
    path.write_bytes(bytes(out))
    return path


def _nd2_chunk(name: bytes, data: bytes, reserved: int) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, reserved, len(data)) + name.ljust(reserved, b"\0") + data


def _level(values: dict) -> bytes:
    """Nikon's binary tree: type, name, value."""
    return b"".join(_item(name, value) for name, value in values.items())


def _item(name: str, value: object) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    head = bytes([len(name) + 1]) + text
    if isinstance(value, dict):
        inside = _level(value)
        start = 1 + len(head)
        return (
            b"\x0b" + head + struct.pack("<IQ", len(value), start + 12 + len(inside)) + inside + bytes(8 * len(value))
        )
    if isinstance(value, bool):
        return b"\x01" + head + bytes([value])
    if isinstance(value, int):
        return b"\x03" + head + struct.pack("<I", value)
    if isinstance(value, float):
        return b"\x06" + head + struct.pack("<d", value)
    return b"\x08" + head + (str(value) + "\0").encode("utf-16-le")
