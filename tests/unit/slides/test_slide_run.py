"""A slide from two files to a pyramid; faults end in one clear error, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import openslide
import pytest
import tifffile
import torch
from click.testing import CliRunner
from small_slides import SHAPE, scattered_network

from tsva.cli.refocus_slide import command
from tsva.errors import UserError
from tsva.readers.stack_file import write_planes
from tsva.restoration.checkpoint import Checkpoint, save
from tsva.settings.acquisition import OpticsSettings
from tsva.settings.train import TrainSettings
from tsva.slides import slide_run
from tsva.slides.slide_run import SlideOptions, refocus_planes
from tsva.slides.two_planes import ArrayPlanes
from tsva.slides.workplace import workplace, workplace_of
from tsva.stage_files import read_table

SECRETS = ("Patient Zero", "2019:07:04", "SN-4711", "B19/4711")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    network = scattered_network("tsva")
    path = tmp_path_factory.mktemp("model") / "model.ckpt"
    settings = TrainSettings(width=4, levels=3).model_dump(mode="json")
    optics = OpticsSettings().model_dump(mode="json")
    save(Checkpoint("tsva", settings, 3, 0.345, 0.5, 3.0, optics, 1, 1, "", network.state_dict()), path)
    return path


@pytest.fixture
def files(slide, tmp_path):
    """Both planes as tiled TIFF that tell who was scanned, and when."""
    planes, _ = slide
    for name, pixels in zip(("low", "high"), planes.read(0, 0, *SHAPE), strict=True):
        tifffile.imwrite(
            tmp_path / f"{name}.tif",
            pixels,
            photometric="rgb",
            tile=(256, 256),
            resolution=(1e4 / 0.345,) * 2,
            resolutionunit=3,
            description=f"{SECRETS[0]}, {SECRETS[3]}",
            datetime="2019:07:04 10:00:00",
            software=SECRETS[2],
        )
    return tmp_path / "low.tif", tmp_path / "high.tif"


def arguments(model, files, out):
    return ["--model", model, "--low", files[0], "--high", files[1], "--delta-um", 0.5, "--out", out]


def test_the_command_writes_a_slide_and_tells_nothing_of_its_source(model, files, tmp_path):
    out = tmp_path / "B19-4711" / "slide.ome.tif"
    CliRunner().invoke(command, list(map(str, arguments(model, files, out))), catch_exceptions=False)
    with openslide.OpenSlide(out) as opened:
        assert opened.dimensions == (SHAPE[1], SHAPE[0])
        assert float(opened.properties["openslide.mpp-x"]) == pytest.approx(0.345)
    content = out.read_bytes()
    assert not [secret for secret in SECRETS if secret.encode() in content]
    assert b"research use only" in content
    assert not workplace_of(out).exists()
    told = json.loads((out.parent / "slide" / "slide.json").read_text())
    assert sum(told["verdicts"].values()) == pytest.approx(1)
    assert {"before.png", "after.png", "cells.npz", "survey.npz"} <= {f.name for f in (out.parent / "slide").iterdir()}


def test_a_row_of_the_sheet_lists_what_failed_and_optics_outside_the_training_are_warned_of(
    model, slide, tmp_path, caplog
):
    scans = tmp_path / "scans"
    scans.mkdir()
    planes = [slide[0].read(0, 0, 300, 300)[n] for n in (0, 1)]
    write_planes(scans / "a.ome.tif", iter(planes), np.array([-0.5, 0.5]), 0.345)
    write_planes(scans / "b.ome.tif", iter(planes), np.array([-0.7, 0.7]), 0.345)
    told = {"slide": "E1", "patient": "P", "sample": "S", "role": "refocus", "source": "stack", "path": "scans"}
    settings = tmp_path / "settings.yaml"
    settings.write_text(json.dumps({"slide": told, "optics": {"na": 0.4}}))
    line = ["--model", model, "--settings", settings, "--sheet-folder", tmp_path, "--out", tmp_path / "out"]
    with caplog.at_level("WARNING"):
        CliRunner().invoke(command, list(map(str, line)), catch_exceptions=False)
    table = read_table(tmp_path / "out" / "slides.tsv").set_index("field")
    assert (tmp_path / "out" / table.file["a"]).is_file()
    assert table.reason["a"] == ""
    assert "b.ome.tif" in table.reason["b"]
    assert table.file["b"] == ""
    assert "na is 0.4 (trained on: 0.75)" in caplog.text
    (scans / "a.ome.tif").unlink()
    with pytest.raises(UserError, match=r"b\.ome\.tif"):
        CliRunner().invoke(command, list(map(str, line)), catch_exceptions=False)


class EndingPlanes(ArrayPlanes):
    """A source that breaks off after some regions, as a disconnected disk does."""

    left, count = 10**9, 0

    def read(self, y, x, height, width):
        if self.left == 0:
            raise UserError("slide", got="a file that can't be read to its end", wanted="all", do="Copy it again.")
        self.left -= 1
        self.count += 1
        return super().read(y, x, height, width)


@pytest.fixture(scope="module")
def whole(slide, model, tmp_path_factory):
    """What an unbroken run writes."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("whole") / "slide.ome.tif"
    source = EndingPlanes(*slide[0].read(0, 0, *SHAPE), 0.345, 0.5, 20)
    refocus_planes(source, model, out, SlideOptions(core_px=512))
    return out.read_bytes(), source.count


def test_a_source_that_ends_in_the_middle_loses_nothing(slide, model, whole, tmp_path):
    out = tmp_path / "slide.ome.tif"
    source = EndingPlanes(*slide[0].read(0, 0, *SHAPE), 0.345, 0.5, 20)
    content, reads = whole
    for left in (1, reads - 3, 1):  # in the survey, and twice among the tiles
        source.left = left
        with pytest.raises(UserError, match="read to its end"):
            refocus_planes(source, model, out, SlideOptions(core_px=512))
        assert not out.exists()
    source.left = 10**9
    refocus_planes(source, model, out, SlideOptions(core_px=512))
    assert out.read_bytes() == content


def test_a_full_disk_is_reported_and_the_run_goes_on_later(slide, model, whole, tmp_path, monkeypatch):
    out = tmp_path / "slide.ome.tif"
    real, written = slide_run.restore_tiles, []

    def full(engine, plan, journal, progress):
        append = journal.append

        def limited(key, content):
            written.append(key)
            if len(written) == 4:
                raise OSError(28, "No space left on device", "tiles.journal")
            append(key, content)

        monkeypatch.setattr(journal, "append", limited)
        real(engine, plan, journal, progress)

    monkeypatch.setattr(slide_run, "restore_tiles", full)
    with pytest.raises(OSError, match="No space left"):
        refocus_planes(slide[0], model, out, SlideOptions(core_px=512))
    monkeypatch.setattr(slide_run, "restore_tiles", real)
    refocus_planes(slide[0], model, out, SlideOptions(core_px=512))
    assert out.read_bytes() == whole[0]


def test_unfinished_work_of_other_inputs_is_not_mixed_in(slide, model, whole, tmp_path):
    out = tmp_path / "slide.ome.tif"
    source = EndingPlanes(*slide[0].read(0, 0, *SHAPE), 0.345, 0.5, 20)
    source.left = whole[1] - 2
    with pytest.raises(UserError):
        refocus_planes(source, model, out, SlideOptions(core_px=512))
    low, high = slide[0].read(0, 0, *SHAPE)
    with pytest.raises(UserError, match="begun with another slide"):
        refocus_planes(ArrayPlanes(high, low, 0.345, 0.5), model, out, SlideOptions(core_px=512))
    with pytest.raises(UserError, match="quality"):
        refocus_planes(slide[0], model, out, SlideOptions(core_px=512, quality=98))


def test_one_process_a_slide(slide, model, tmp_path):
    out = tmp_path / "slide.ome.tif"
    with workplace(out), pytest.raises(UserError, match="another process"):
        refocus_planes(slide[0], model, out, SlideOptions())


def test_a_model_of_another_shot_offset_is_refused(slide, model, tmp_path):
    low, high = slide[0].read(0, 0, *SHAPE)
    with pytest.raises(UserError, match="shots at"):
        refocus_planes(ArrayPlanes(low, high, 0.345, 1.0), model, tmp_path / "slide.ome.tif", SlideOptions())
    assert not any(tmp_path.iterdir())


@pytest.mark.waits
def test_killed_among_its_tiles_it_writes_the_same_pixels(model, files, whole, tmp_path):
    out = tmp_path / "killed.ome.tif"
    code = "import sys; from tsva.cli.main import main; main()"
    line = [sys.executable, "-c", code, "refocus-slide", *map(str, arguments(model, files, out))]

    def start():
        return subprocess.Popen(line, stderr=subprocess.DEVNULL)

    process = start()
    while process.poll() is None and not (workplace_of(out) / "tiles.journal").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert start().wait() == 0
    calm = tmp_path / "calm.ome.tif"
    calm.write_bytes(whole[0])
    # the tiles' size differs, which rounding alone may show
    assert np.abs(tifffile.imread(out).astype(int) - tifffile.imread(calm)).max() <= 2
