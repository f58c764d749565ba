"""Builds of torch on machines with and without GPUs."""

from __future__ import annotations

import pytest

from tsva.pipeline.doctor.finding import ask
from tsva.pipeline.doctor.torch_build import Build, check_torch

CPU_BUILD = Build("2.13.0+cpu", None)
ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "compute_120")
H100 = Build("2.13.0", "12.8", ("NVIDIA H100",), ("sm_90",), ARCHITECTURES)
BLIND = Build("2.13.0", "12.8", (), (), ARCHITECTURES)
LISTED = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"
LOST = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


def levels(build: Build | None, **kwargs: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.what) for finding in check_torch(build, ask("nvidia-smi", "-L"), **kwargs)]


@pytest.mark.usefixtures("fake")
def test_no_driver() -> None:
    assert levels(CPU_BUILD) == [("ok", "2.13.0+cpu, CPU build; no NVIDIA driver answers")]
    ((level, what),) = levels(BLIND)
    assert level == "note" and "no NVIDIA driver answers: it runs on the CPU" in what
    (finding,) = check_torch(BLIND, ask("nvidia-smi", "-L"))
    assert "TSVA_TORCH=cpu bash envs/setup.sh" in finding.do


def test_a_driver(fake) -> None:
    fake("nvidia-smi", LISTED)
    (finding,) = check_torch(CPU_BUILD, ask("nvidia-smi", "-L"))
    assert finding.level == "note"
    assert finding.what == (
        "2.13.0+cpu is the CPU build, and there is a GPU (NVIDIA H100 80GB HBM3, NVIDIA H100 80GB HBM3)"
    )
    assert finding.do == "TSVA_TORCH=cuda bash envs/setup.sh"
    assert levels(H100) == [("ok", "2.13.0, CUDA 12.8, on NVIDIA H100")]
    assert levels(BLIND)[0][1].startswith("2.13.0 for CUDA 12.8 finds no GPU, though the driver does")


def test_a_driver_that_fails(fake) -> None:
    fake("nvidia-smi", LOST, status=9)
    assert [level for level, _ in levels(CPU_BUILD)] == ["ok", "note"]
    assert levels(CPU_BUILD)[1][1] == f"nvidia-smi is there and fails: {LOST}"
    assert [level for level, _ in levels(BLIND)] == ["note", "note"]


@pytest.mark.parametrize(
    ("capability", "level"),
    [("sm_90", "ok"), ("sm_86", "ok"), ("sm_75", "ok"), ("sm_70", "bad"), ("sm_61", "bad"), ("sm_130", "ok")],
)
def test_gpus_without_kernels_break_a_run(fake, capability: str, level: str) -> None:
    """Kernels for 8.0 run on 8.6, PTX for 12.0 on 13.0, and nothing here on 6.1 or 7.0."""
    fake("nvidia-smi", LISTED)
    build = Build("2.13.0", "12.8", ("NVIDIA X",), (capability,), ARCHITECTURES)
    ((found, what),) = levels(build)
    assert found == level
    if level == "bad":
        assert what.startswith(f"2.13.0 has no kernels for NVIDIA X ({capability})")


@pytest.mark.usefixtures("fake")
def test_torch_that_does_not_load() -> None:
    assert levels(None, error="libc10.so: no such file") == [("bad", "can't be imported: libc10.so: no such file")]
