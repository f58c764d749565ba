"""Nothing depends on the tiling, and a broken run equals an unbroken one."""

import numpy as np
import pytest
import torch
from small_slides import SHAPE, Checkered, Still, scattered_network

from tsva.slides.engine import SlideEngine, assemble, judged_cells, restore_tiles
from tsva.slides.pyramid import SlideFacts
from tsva.slides.slide_plan import SlidePlan
from tsva.slides.tile_restorers import constants_of, restorer_of, weight_of_high
from tsva.slides.workplace import open_journal


@pytest.fixture(scope="module", params=["tsva", "fusion"])
def restorer(request, slide):
    torch.set_num_threads(1)
    network = scattered_network(request.param)
    planes, survey = slide
    return restorer_of(network, 3, survey, constants_of(network, planes, survey), 1)


def whole(slide, restorer, core_px, origin=(0, 0)):
    planes, survey = slide
    engine = SlideEngine(planes, survey, restorer, Still(), Checkered(survey), core_px, origin)
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    for unit in engine.units:
        done = engine.restored(*engine.read(unit))
        core = unit.core
        pixels[core.y : core.y + core.height, core.x : core.x + core.width] = done.pixels
    return pixels


@pytest.fixture(scope="module")
def reference(slide, restorer):
    return whole(slide, restorer, 4096)


@pytest.mark.parametrize(("core_px", "origin"), [(256, (0, 0)), (512, (0, 0)), (1024, (0, 0)), (512, (-192, -320))])
def test_no_pixel_depends_on_the_tiling(slide, restorer, reference, core_px, origin):
    found = whole(slide, restorer, core_px, origin)
    assert np.abs(found.astype(int) - reference).max() <= 1
    # rounding of sums alone
    assert np.mean(found != reference) < 1e-4


def test_it_restores_copies_and_blends(slide, reference):
    _, high = slide[0].read(0, 0, *SHAPE)
    # glass, where the high shot is the nearer one
    assert np.array_equal(reference[:128, :128], high[:128, :128])
    assert np.mean(reference != high) > 0.3


def test_y1_changes_smoothly(slide):
    weight = weight_of_high(slide[1])
    assert weight.min() == 0
    assert weight.max() == 1
    assert np.abs(np.diff(weight, axis=1)).max() < 0.5
    assert np.mean((weight > 0) & (weight < 1)) < 0.5


class KilledError(Exception):
    pass


def plan_of(slide, restorer):
    planes, _ = slide
    return SlidePlan(planes.digest, "m", "tsva", SHAPE, 3, 0.345, 0.5, None, 512, restorer.runtime)


def test_a_broken_run_gives_the_bytes_of_an_unbroken_one(slide, restorer, tmp_path):
    planes, survey = slide
    plan = plan_of(slide, restorer)

    def run(folder, dies_after=10**9):
        folder.mkdir(exist_ok=True)
        engine = SlideEngine(planes, survey, restorer, Still(), Checkered(survey), 512)
        done = []

        def progress(pixels):
            done.append(pixels)
            if len(done) > dies_after:
                raise KilledError

        with open_journal(folder / "journal", plan.digest) as journal:
            restore_tiles(engine, plan, journal, progress)
            assemble(plan, journal, SlideFacts(0.345, 20), folder / "out.ome.tif")
            return judged_cells(journal, survey)

    cells = run(tmp_path / "whole")
    for dies_after in (1, 4):
        with pytest.raises(KilledError):
            run(tmp_path / "broken", dies_after)
        with (tmp_path / "broken" / "journal").open("ab") as torn:
            torn.write(b"\x01\x00torn")
    again = run(tmp_path / "broken")
    assert (tmp_path / "whole/out.ome.tif").read_bytes() == (tmp_path / "broken/out.ome.tif").read_bytes()
    assert {name: cells[name].tolist() for name in cells} == {name: again[name].tolist() for name in again}
    assert cells["verdict"].shape == survey.grid.shape
    assert set(np.unique(cells["verdict"])) == {0, 1, 3}
