"""tsva doctor as a whole, on machines that lack something."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tsva.cli.doctor import command

SHEET = "slide\tpatient\tsample\trole\tsource\ttissue\nA\tP1\tS\ttrain\tsimulated\tfatty\n"


@pytest.fixture
def folder(tmp_path: Path, fake, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and this environment's own commands on the path beside the stand-ins."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    fake("nothing")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{tmp_path / 'bin'}")
    monkeypatch.setattr("tsva.pipeline.doctor.machine.memory_mb", lambda: 16_000.0)
    work = tmp_path / "work"
    (work / "config").mkdir(parents=True)
    (work / "config/config.yaml").write_text(yaml.safe_dump({"slides": "slides.tsv"}))
    (work / "slides.tsv").write_text(SHEET)
    return work


def run(folder: Path, *arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, ["--directory", str(folder), *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_machine_that_is_well(folder: Path) -> None:
    status, text = run(folder)
    assert status == 0
    assert "\n0 to correct before a run" in text
    # three fields of 27 planes of 448×448 RGB pixels, stacks and patches alike
    assert f"this run takes about {2 * 3 * 27 * 448 * 448 * 3 / 1e9:.1f} GB" in text
    assert "1 slide in slides.tsv" in text
    assert "not here; jobs run on this machine" in text


def test_a_run_that_is_too_large(folder: Path) -> None:
    huge = {"simulate": {"fields": {"train": 1000}, "field_px": [4096, 4096], "z_first_um": -50, "z_last_um": 50}}
    (folder / "huge.yaml").write_text(yaml.safe_dump(huge))
    status, text = run(folder, "--configfile", folder / "huge.yaml")
    assert status == 1
    assert "bad  disk" in text
    assert "do: Make room, or run with --directory on a larger disk" in text


def test_settings_that_are_wrong(folder: Path) -> None:
    (folder / "wrong.yaml").write_text(yaml.safe_dump({"train": {"widht": 3}}))
    status, text = run(folder, "--configfile", folder / "wrong.yaml")
    assert status == 1
    assert "bad  settings" in text and "train.widht" in text
    (folder / "config/config.yaml").write_text("a: [")
    status, text = run(folder)
    assert (status, "config/config.yaml" in text) == (1, True)


def test_slurm_that_is_wanted(folder: Path, fake) -> None:
    assert run(folder, "--slurm")[0] == 1
    fake("sinfo", error="down", status=1)
    fake("squeue")
    fake("sbatch")
    status, text = run(folder)
    assert (status, "note Slurm" in text) == (0, True)
    status, text = run(folder, "--slurm")
    assert (status, "bad  Slurm" in text) == (1, True)


def test_rules_would_not_find_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    status, text = run(folder)
    assert status == 1
    assert "bad  tsva command" in text
    assert "first on PATH" in text


def test_without_settings(folder: Path) -> None:
    (folder / "config/config.yaml").unlink()
    status, text = run(folder)
    assert "none given; --configfile shows what a run takes" in text
    assert "this run takes" not in text
    assert status == 0


def test_a_gpu_that_torch_can_not_use(folder: Path, fake) -> None:
    """Only where torch is the CPU build, which is what the project's tests run with."""
    torch = pytest.importorskip("torch")
    if torch.version.cuda is not None:
        pytest.skip("this is the CUDA build")
    fake("nvidia-smi", "GPU 0: NVIDIA A100 (UUID: GPU-0)")
    status, text = run(folder)
    assert status == 0
    assert "is the CPU build, and there is a GPU (NVIDIA A100)" in text
    assert "do: TSVA_TORCH=cuda bash envs/setup.sh" in text


def test_files_of_settings_are_merged_as_snakemake_does(tmp_path: Path) -> None:
    from tsva.cli.run_settings import merged

    (tmp_path / "a.yaml").write_text("seed: 1\ntrain: {width: 8, networks: [tsva]}\n")
    (tmp_path / "b.yaml").write_text("train: {networks: [unet]}\n")
    (tmp_path / "c.yaml").write_text("")
    files = [tmp_path / "b.yaml", tmp_path / "c.yaml"]
    assert merged(files, tmp_path / "a.yaml") == {"seed": 1, "train": {"width": 8, "networks": ["unet"]}}
