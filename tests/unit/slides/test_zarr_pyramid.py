"""OME-Zarr of a slide: the pixels of every level, where they lie, and the metadata that the specification asks for."""

from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from small_slides import scattered_network

from tsva.cli.refocus_slide import command
from tsva.errors import UserError
from tsva.readers.source import stored_images
from tsva.readers.stack_file import write_planes
from tsva.restoration.checkpoint import Checkpoint, save
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings
from tsva.slides.pyramid import SlideFacts, write_zarr
from tsva.slides.stored_tiles import TILE_PX, TileCodec, halved, level_shapes, padded

SHAPE = (1100, 700)


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_come_back_as_they_were(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*SHAPE, channels), np.uint8)
    levels, shapes, codec = [pixels], level_shapes(*SHAPE), TileCodec(channels)
    while len(levels) < len(shapes):
        levels.append(halved(levels[-1]))

    def tile(level: int, row: int, column: int) -> bytes:
        part = levels[level][row * TILE_PX :, column * TILE_PX :][:TILE_PX, :TILE_PX]
        return codec.encode(padded(part))

    folder = tmp_path / "slide.ome.zarr"
    write_zarr(folder, shapes, codec, tile, SlideFacts(0.5, 20.0, None, {"network": "tsva"}))
    group = zarr.open_group(folder, mode="r")
    told = group.attrs["multiscales"][0]
    assert [axis["name"] for axis in told["axes"]] == ["c", "y", "x"]
    for dataset, level in zip(told["datasets"], levels, strict=True):
        np.testing.assert_array_equal(group[dataset["path"]][:], level.transpose(2, 0, 1))
        scale, start = (np.array(one[one["type"]][1:]) for one in dataset["coordinateTransformations"])
        # the outer edge of the first pixel lies where that of the finest level does
        np.testing.assert_allclose(start - scale / 2, -0.25)
        np.testing.assert_allclose(scale * level.shape[:2], 0.5 * np.array(SHAPE))
    (image,) = stored_images(folder)
    assert (image.height_px, image.width_px, image.pixel_um) == (*SHAPE, 0.5)
    with image.open() as reader:
        np.testing.assert_array_equal(reader.read(0, 500, 100, 300, 200), pixels[500:800, 100:300])


@pytest.mark.parametrize("ending", [".ome.zarr", ".dicom"])
def test_the_command_writes_it_and_its_pictures(tmp_path: Path, ending: str) -> None:
    network, random = scattered_network("tsva"), np.random.default_rng(1)
    settings, optics = (
        TrainSettings(width=4, levels=3).model_dump(mode="json"),
        OpticsSettings().model_dump(mode="json"),
    )
    model, stack, out = tmp_path / "model.ckpt", tmp_path / "stack.ome.tif", tmp_path / f"slide{ending}"
    save(Checkpoint("tsva", settings, 3, 0.345, 0.5, 3.0, optics, 1, 1, "", network.state_dict()), model)
    planes = random.integers(100, 240, (2, 256, 320, 3), np.uint8)
    write_planes(stack, iter(planes), np.array([-0.5, 0.5]), 0.345)
    line = ["--model", model, "--stack", stack, "--planes", 1, 2, "--out", out]
    CliRunner().invoke(command, list(map(str, line)), catch_exceptions=False)
    (image,) = stored_images(out)
    assert (image.height_px, image.width_px) == (256, 320)
    assert (tmp_path / "slide" / "after.png").is_file()
    assert not list(tmp_path.glob("*.unfinished"))
    with pytest.raises(UserError, match=r"slide\.png.*ome\.zarr"):
        CliRunner().invoke(command, list(map(str, [*line[:-1], tmp_path / "slide.png"])), catch_exceptions=False)
