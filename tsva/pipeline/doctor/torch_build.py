"""Whether torch is the build that this machine needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tsva.pipeline.doctor.finding import Answer, Finding, ask

CUDA = "TSVA_TORCH=cuda bash envs/setup.sh"
CPU = "TSVA_TORCH=cpu bash envs/setup.sh"


@dataclass(frozen=True)
class Build:
    """What torch says of itself.

    Attributes
    ----------
    version : str
    cuda : str or None
        Version of CUDA that it was built for; None for the CPU build.
    devices : tuple of str
        Names of the GPUs that it can use.
    capabilities : tuple of str
        Their compute capabilities, as ``sm_90``.
    architectures : tuple of str
        What it has kernels for; empty for the CPU build.
    """

    version: str
    cuda: str | None
    devices: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()


def check_torch(build: Build | None, driver: Answer, error: str = "") -> list[Finding]:
    """Compare torch's build with the driver.

    Parameters
    ----------
    build : Build or None
        None if torch can't be imported.
    driver : Answer
        Of ``nvidia-smi -L``.
    error : str
        Why it can't be imported.

    Returns
    -------
    list of Finding
        At least one.
    """
    if build is None:
        return [Finding("torch", "bad", f"can't be imported: {error}", f"Set it up again: {CPU} (or cuda)")]
    gpus = re.findall(r"^GPU \d+: ([^(\n]+)", driver.text, re.MULTILINE) if driver.ok else []
    names = ", ".join(name.strip() for name in gpus)
    if build.cuda is None:
        if gpus:
            return [Finding("torch", "note", f"{build.version} is the CPU build, and there is a GPU ({names})", CUDA)]
        findings = [Finding("torch", "ok", f"{build.version}, CPU build; no NVIDIA driver answers")]
        return findings + _broken_driver(driver)
    if build.devices:
        lost = [
            (name, capability)
            for name, capability in zip(build.devices, build.capabilities, strict=True)
            if not _has_kernels(capability, build.architectures)
        ]
        if lost:
            name, capability = lost[0]
            what = f"{build.version} has no kernels for {name} ({capability}), but for {', '.join(build.architectures)}"
            return [Finding("torch", "bad", what, f"Hide the GPU (CUDA_VISIBLE_DEVICES=) or use the CPU build: {CPU}")]
        return [Finding("torch", "ok", f"{build.version}, CUDA {build.cuda}, on {', '.join(build.devices)}")]
    if gpus:
        return [
            Finding(
                "torch",
                "note",
                f"{build.version} for CUDA {build.cuda} finds no GPU, though the driver does ({names})",
                "Update the driver, look whether CUDA_VISIBLE_DEVICES hides the GPU, or stay on the CPU",
            )
        ]
    findings = [
        Finding(
            "torch",
            "note",
            f"{build.version} for CUDA {build.cuda}, and no NVIDIA driver answers: it runs on the CPU",
            f"Well on the login node of a cluster with GPUs; else the CPU build is smaller: {CPU}",
        )
    ]
    return findings + _broken_driver(driver)


def _has_kernels(capability: str, architectures: tuple[str, ...]) -> bool:
    """Kernels run on their own major version from their minor one on; PTX (compute_…) on everything later."""
    number = _number(capability)
    for built in architectures:
        other = _number(built)
        if built.startswith("compute_") and other <= number:
            return True
        if other // 10 == number // 10 and other <= number:
            return True
    return not architectures


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


def _broken_driver(driver: Answer) -> list[Finding]:
    if not driver.found or driver.ok:
        return []
    what = f"nvidia-smi is there and fails: {driver.text.splitlines()[0] if driver.text else 'without a word'}"
    return [Finding("NVIDIA driver", "note", what, "Ask whoever keeps the machine, if it should have a GPU")]


def look() -> tuple[list[Finding], bool]:
    """All of it, of this machine; and whether torch is the CUDA build."""
    driver = ask("nvidia-smi", "-L")
    try:
        import torch
    except (ImportError, OSError) as error:
        return check_torch(None, driver, " ".join(str(error).split())), False
    number = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    build = Build(
        torch.__version__,
        torch.version.cuda,
        tuple(torch.cuda.get_device_name(i) for i in number),
        tuple("sm_{}{}".format(*torch.cuda.get_device_capability(i)) for i in number),
        tuple(torch.cuda.get_arch_list()),
    )
    return check_torch(build, driver), build.cuda is not None
