"""Hamamatsu's slides with focal planes, on files laid out by hand; JPEG decoded by Pillow is the reference."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack
from tsva.readers.stored import Objective

sys.path.insert(0, str(Path(__file__).parent))
from ndpi_files import Page, write_ndpi

PIXELS = np.random.default_rng(3).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
Z_NM = (0, 2000, -2000)


@pytest.mark.parametrize("name", ["slide.ndpi", "slide.tif"])
@pytest.mark.parametrize("blocks", [None, 4])
def test_focal_planes(tmp_path: Path, name: str, blocks: int | None) -> None:
    """With lower levels of the pyramid between the planes, and the pictures of label and map."""
    pages = [Page(plane, 40.0, z_nm, blocks=blocks) for plane, z_nm in zip(PIXELS, Z_NM, strict=True)]
    lower = [Page(plane[::2, ::2], 20.0, z_nm) for plane, z_nm in zip(PIXELS, Z_NM, strict=True)]
    write_ndpi(tmp_path / name, [*pages, *lower, Page(PIXELS[0], -1.0, 0), Page(PIXELS[0], -2.0, 0)])
    (image,) = stored_images(tmp_path / name)
    assert (image.format, image.planes, image.height_px, image.width_px) == ("NDPI", 3, 48, 64)
    assert (image.z_um, image.objective) == ((0, 2, -2), Objective(magnification=40))
    (field,) = fields_of_stack(tmp_path / name, None, None)
    # 10,000,000 / 227 pixels a centimetre
    assert field.pixel_um == pytest.approx(0.227, rel=1e-12)
    assert field.z_um == (-2, 0, 2)
    decoded = [np.asarray(Image.open(io.BytesIO(page.data))) for page in pages]
    wanted = np.stack([decoded[2], decoded[0], decoded[1]])
    assert np.array_equal(np.stack(list(field.planes())), wanted)
    assert field.region is not None
    assert np.array_equal(field.region(2, 5, 20, 30, 40), wanted[2, 5:35, 20:60])
