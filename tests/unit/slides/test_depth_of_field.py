"""Extended depth of field: the planes of each cell are those about its focus, whatever region is read."""

from pathlib import Path

import numpy as np
import openslide
import pytest
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter
from small_slides import scattered_network

from tsva.cli.slide_planes import edof
from tsva.errors import UserError
from tsva.readers.stack_file import write_planes
from tsva.restoration.checkpoint import Checkpoint, save
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings
from tsva.slides.depth_of_field import ChosenPlanes, focal_heights, planes_apart
from tsva.slides.focal_offsets import OFFSETS_UM
from tsva.slides.grid import CELL_PX
from tsva.slides.surveyor import _from_given

Z_UM = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
HEIGHT, WIDTH, TURN = 320, 640, 320
LEFT_UM, RIGHT_UM = 1.2, 3.8


class Array:
    """A `Plane` in memory."""

    where, pixel_um, magnification, channels = "array", 0.345, 20.0, 3

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels, self.shape = pixels, pixels.shape[:2]

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        return self.pixels[y : y + height, x : x + width]


@pytest.fixture(scope="module")
def planes() -> list[Array]:
    """Tissue whose left half is in focus at 1.2 µm and whose right half is at 3.8 µm."""
    random = np.random.default_rng(3)
    sharp = gaussian_filter(random.normal(size=(HEIGHT, WIDTH, 3)), (0.8, 0.8, 0))
    sharp = 150 + 30 * sharp / sharp.std()
    found = []
    for z in Z_UM:
        halves = [
            gaussian_filter(sharp, (s, s, 0))[:, part]
            for s, part in ((abs(z - LEFT_UM), slice(None, TURN)), (abs(z - RIGHT_UM), slice(TURN, None)))
        ]
        noisy = np.concatenate(halves, axis=1) + random.normal(size=sharp.shape)
        found.append(Array(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
    return found


@pytest.fixture(scope="module")
def chosen(planes: list[Array]) -> ChosenPlanes:
    return ChosenPlanes(planes, Z_UM, 1, focal_heights(planes, Z_UM, progress=False), 0.345)


def test_heights_are_those_of_the_focus(planes: list[Array]) -> None:
    heights = focal_heights(planes, Z_UM, progress=False)
    assert heights.known.all()
    np.testing.assert_allclose(heights.z_um[:, :3], LEFT_UM, atol=0.3)
    np.testing.assert_allclose(heights.z_um[:, -3:], RIGHT_UM, atol=0.3)


def test_each_cell_has_the_planes_about_its_focus(planes: list[Array], chosen: ChosenPlanes) -> None:
    assert chosen.delta_um == 0.5
    assert (chosen.low_plane[:, :3] == 1).all()
    assert (chosen.low_plane[:, -3:] == 3).all()
    low, high = chosen.read(0, 0, HEIGHT, WIDTH)
    for part, first in ((np.s_[:, : 3 * CELL_PX], 1), (np.s_[:, -3 * CELL_PX :], 3)):
        np.testing.assert_array_equal(low[part], planes[first].pixels[part])
        np.testing.assert_array_equal(high[part], planes[first + 1].pixels[part])


def test_shares_add_up_and_do_not_depend_on_the_region(chosen: ChosenPlanes) -> None:
    whole = chosen.shares(0, 0, HEIGHT, WIDTH)
    np.testing.assert_allclose(sum(whole.values()), 1, rtol=1e-5)
    assert (whole[1][:, : 2 * CELL_PX] > 0.999).all()
    for y, x, height, width in ((0, 250, 100, 200), (77, 300, 150, 90), (200, 0, 120, 640)):
        for low, share in chosen.shares(y, x, height, width).items():
            np.testing.assert_allclose(share, whole[low][y : y + height, x : x + width], atol=1e-6)


def test_other_distances_are_refused() -> None:
    assert planes_apart(Z_UM, 0.5, "x") == 1
    assert planes_apart([0, 0.5, 1.0, 1.5], 0.5, "x") == 2
    for z_um, delta_um in ((Z_UM, 0.7), ([0, 1, 3], 0.5), ([0, 1], 0.5), (Z_UM, 4.0)):
        with pytest.raises(UserError, match="planes"):
            planes_apart(z_um, delta_um, "x")


def test_the_command_writes_a_slide(planes: list[Array], tmp_path: Path) -> None:
    network = scattered_network("tsva")
    settings = TrainSettings(width=4, levels=3).model_dump(mode="json")
    optics = OpticsSettings().model_dump(mode="json")
    model, stack, out = tmp_path / "model.ckpt", tmp_path / "stack.ome.tif", tmp_path / "sharp.ome.tif"
    save(Checkpoint("tsva", settings, 3, 0.345, 0.5, 3.0, optics, 1, 1, "", network.state_dict()), model)
    write_planes(stack, (plane.pixels for plane in planes), np.array(Z_UM), 0.345)
    line = [stack, "--model", model, "--out", out]
    CliRunner().invoke(edof, list(map(str, line)), catch_exceptions=False)
    with openslide.OpenSlide(out) as opened:
        assert opened.dimensions == (WIDTH, HEIGHT)
    with np.load(tmp_path / "sharp" / "planes.npz") as held:
        np.testing.assert_allclose(held["height_um"][:, :3], LEFT_UM, atol=0.3)
    with pytest.raises(UserError, match=r"pixels of 0\.5 µm"):
        CliRunner().invoke(edof, [*map(str, line), "--pixel-um", "0.5"], catch_exceptions=False)
    with pytest.raises(UserError, match=r"two of them 1 µm apart"):
        CliRunner().invoke(edof, [*map(str, line), "--z-step-um", "0.7"], catch_exceptions=False)


def test_the_survey_follows_planes_that_jump(chosen: ChosenPlanes) -> None:
    # by the height of the focus, left cells lie 0.3 µm below the middle of their planes, and right ones as far above
    np.testing.assert_allclose(chosen.offset_given_um[:, :3], 1.5 - LEFT_UM, atol=0.3)
    np.testing.assert_allclose(chosen.offset_given_um[:, -3:], 3.5 - RIGHT_UM, atol=0.3)


def test_told_offsets_move_the_evidence() -> None:
    offsets = OFFSETS_UM
    given = np.array([[0.8, -1.2]])
    true = np.array([[0.9, -1.1]])
    likelihood = -0.5 * ((offsets - true[..., None]) / 0.2) ** 2
    moved = _from_given(likelihood, given)
    np.testing.assert_allclose(offsets[moved.argmax(axis=-1)], true - given, atol=offsets[1] - offsets[0])
