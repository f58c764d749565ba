"""The project's own stacks: OME-TIFF that any viewer opens, and that comes back exactly as it was written."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import numpy as np
import tifffile

from tsva.errors import UserError
from tsva.io.tiff import ome_images, open_tiff, reading
from tsva.stack import Stack

UM_PER_CM = 10_000.0


def write_stack(path: Path, stack: Stack) -> None:
    """Write a stack as OME-TIFF.

    Pixels are not compressed: camera noise leaves Deflate little to gain (to 57 % of the size, at a third of the
    writing speed), and plain pixels are mapped into memory and read by any program.

    Parameters
    ----------
    path : Path
        Ends in .ome.tif; its folder exists.
    stack : Stack
        Written with PositionZ of every plane, PhysicalSizeX and Y, and PhysicalSizeZ if the step is regular.
    """
    grey = stack.planes.shape[3] == 1
    metadata: dict[str, object] = {
        "axes": "ZYX" if grey else "ZYXS",
        "PhysicalSizeX": float(stack.pixel_um),
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": float(stack.pixel_um),
        "PhysicalSizeYUnit": "µm",
        "Plane": {"PositionZ": stack.z_um.tolist(), "PositionZUnit": ["µm"] * len(stack.z_um)},
        # the same stack gives the same file
        "UUID": str(uuid.UUID(bytes=_digest(stack))),
    }
    if stack.z_step_um is not None:
        metadata |= {"PhysicalSizeZ": stack.z_step_um, "PhysicalSizeZUnit": "µm"}
    tifffile.imwrite(
        path,
        stack.planes[..., 0] if grey else stack.planes,
        photometric="minisblack" if grey else "rgb",
        ome=True,
        metadata=metadata,
        resolution=(UM_PER_CM / stack.pixel_um, UM_PER_CM / stack.pixel_um),
        resolutionunit="CENTIMETER",
    )


def _digest(stack: Stack) -> bytes:
    digest = hashlib.blake2b(repr((stack.planes.shape, stack.z_um.tolist(), stack.pixel_um)).encode(), digest_size=16)
    for plane in stack.planes:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.digest()


def read_stack(path: Path) -> Stack:
    """Read a stack that `write_stack` wrote.

    Parameters
    ----------
    path : Path
        An OME-TIFF file.

    Returns
    -------
    Stack
        Its planes are mapped from the file, read-only: what is not looked at is not read.

    Raises
    ------
    UserError
        If the file is missing, damaged, or not of this kind.
    """
    with open_tiff(path) as tif:
        images = ome_images(tif, str(path))
        image, series = images[0] if images else None, tif.series[0]
        if image is None or image.position_z_um is None or image.pixel_um is None or series.dataoffset is None:
            raise UserError(
                str(path), got="a file that this program did not write", wanted="a stack of the ingest stage",
                do="Delete it, so that its stage runs again.",
            )  # fmt: skip
        key = series.keyframe
        shape = (image.planes, key.imagelength, key.imagewidth, key.samplesperpixel)
        with reading(str(path)):
            planes = np.asarray(np.memmap(path, np.uint8, "r", series.dataoffset, shape))
            return Stack(planes, np.array(image.position_z_um), image.pixel_um)
