"""Which reader takes a file or folder, told by its content."""

from __future__ import annotations

from pathlib import Path

from tsva.errors import UserError
from tsva.readers.czi import czi_images
from tsva.readers.dicom import dicom_image, is_dicom
from tsva.readers.head import head_of
from tsva.readers.listing import is_zarr
from tsva.readers.ome_set import first_of_set
from tsva.readers.stored import StoredImage
from tsva.readers.tiff_stacks import tiff_images
from tsva.readers.zarr_images import zarr_images

OTHERS = {
    b"\xda\xce\xbe\x0a": "Nikon ND2",
    b"\x70\x00\x00\x00": "Leica LIF",
    b"\xd0\xcf\x11\xe0": "Olympus OIB or Zeiss ZVI",
    b"OLYMPUSR": "Olympus OIR",
}
"""How formats begin that no reader takes."""


def stored_images(path: Path) -> list[StoredImage]:
    """Images of a file or folder, before any pixel is read.

    Parameters
    ----------
    path : Path
        TIFF of any kind (OME-TIFF or the header of a set of it, ImageJ, NDPI), OME-Zarr, DICOM whole slide (file or
        folder), CZI; whatever its name.

    Returns
    -------
    list of StoredImage
        At least one.

    Raises
    ------
    UserError
        If it is missing, damaged, of no known kind, or its reader is not installed.
    """
    where = str(path)
    if not path.exists():
        raise UserError(where, got="no such file", wanted="an image", do="Mend the path.")
    if is_zarr(path):
        return zarr_images(path)
    if is_dicom(path):
        return [dicom_image(path)]
    head = head_of(path)
    if head.is_czi:
        return czi_images(path)
    if head.is_companion:
        return tiff_images(first_of_set(path))
    start = head.start
    for magic, name in OTHERS.items():
        if start.startswith(magic):
            raise UserError(
                where,
                got=f"a file of {name}",
                wanted="OME-TIFF, OME-Zarr, NDPI, DICOM or CZI",
                do="Convert it (bfconvert of Bio-Formats, or bioformats2raw).",
            )
    if path.is_file() and not head.is_tiff:
        raise UserError(
            where,
            got="an empty file" if not start else "a file of no kind known here",
            wanted="TIFF, OME-Zarr, NDPI, DICOM or CZI",
            do="Convert it to OME-TIFF, or copy it again.",
        )
    return tiff_images(path)
