"""Whole-slide refocusing: speed as ratios in one run, core-seconds beside the network, and memory.

    python benchmarks/slides.py --tsva model.ckpt --fusion model.ckpt [--edge 1536] [--memory 4096 --memory 12288]
        --json docs/results/slides_speed.json

- `tsva`: the network by ONNX Runtime at its own tile, against torch at the best of three tiles, and against what a
  script of MONAI (sliding windows, 1/8 overlap, each window deciding on Y1 for itself), torch and tifffile takes on the
  same pixels. MONAI is no dependency of this package: `pip install monai`; without it that is left out.
- `fusion`: megapixels a second with a map of the focal offset, and with one offset.
- `runs`: core-seconds of whole runs of two sizes: what a slide takes whatever its size, and a megapixel more, the
  network's share and the rest (survey, judging, encoding, pyramid).
- `side_by_side`: seconds on all cores of whole slides, by that script and by this package with either network.
- `memory`: peak resident MiB of a process that restores slides of these edges, whose planes are read tile by tile.

All but `side_by_side` on one thread. Parts that are not asked for keep their numbers in the file.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import tifffile
import torch

from tsva.restoration.checkpoint import load
from tsva.restoration.fusion.network import Fusion
from tsva.restoration.pair_network import SharperShotNetwork
from tsva.restoration.refocus import restore
from tsva.restoration.runtime import OnnxRuntime, TorchRuntime
from tsva.slides.slide_run import SlideOptions, refocus_planes

TORCH_TILES_PX = (224, 512, 1024)
WINDOW_PX, WARMING_PX = 256, 512
PARTS = ("tsva", "fusion", "tsva_runs", "fusion_runs", "side_by_side")
TISSUE_PX = 1024
"""Rows of tissue of slides whose memory is measured: what grows with a slide is what is kept of all its cells."""
SPECKS_PX = 256
"""Edge of the pattern that synthetic slides repeat."""


class PatternPlanes:
    """`TwoPlanes` of any size that takes no memory: a pattern repeated, with a part of it empty glass."""

    where, channels, magnification, icc_profile, digest = "pattern", 3, 20.0, None, "pattern"

    def __init__(self, edge: int, pixel_um: float, delta_um: float, glass: float = 0.0) -> None:
        self.shape, self.pixel_um, self.delta_um, self._glass_rows = (edge, edge), pixel_um, delta_um, int(glass * edge)
        random = np.random.default_rng(3)
        noise = random.normal(size=(SPECKS_PX, SPECKS_PX, 3))
        self._shots = [np.clip(190 + 25 * _blurred(noise, sigma), 0, 255).astype(np.uint8) for sigma in (1.0, 1.6)]

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Low and high shot."""
        top, left = y % SPECKS_PX, x % SPECKS_PX
        times = -(-(top + height) // SPECKS_PX), -(-(left + width) // SPECKS_PX), 1
        shots = [np.tile(shot, times)[top : top + height, left : left + width] for shot in self._shots]
        for shot in shots:
            shot[: max(0, self._glass_rows - y)] = 245
        return shots[0], shots[1]


def _blurred(noise: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    soft = gaussian_filter(noise, (sigma, sigma, 0), mode="wrap")
    return np.asarray(soft / soft.std())


def cpu_seconds(call: Any, repeats: int = 1) -> float:
    """Least processor time of some calls after one that warms up."""
    call()
    found = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def of_tsva(path: Path, edge: int) -> dict[str, Any]:
    """Core-seconds of the network by both runtimes, and of a script without this package."""
    held = load(path)
    network = held.restored_network()
    assert isinstance(network, SharperShotNetwork)
    low, high = PatternPlanes(edge, held.pixel_um, held.delta_um).read(0, 0, edge, edge)
    shots = [np.ascontiguousarray(shot.transpose(2, 0, 1)[None], dtype=np.float32) / 255 for shot in (low, high)]
    one = OnnxRuntime(network, held.channels, 1)
    halo = 2 * network.halo_px
    shots = [np.pad(shot, ((0, 0), (0, 0), (0, halo), (0, halo)), mode="edge") for shot in shots]

    def tiles(run: Any, core_px: int) -> None:
        for y in range(0, edge, core_px):
            for x in range(0, edge, core_px):
                run(*(shot[..., y : y + core_px + halo, x : x + core_px + halo].copy() for shot in shots))

    onnx = cpu_seconds(lambda: tiles(one, one.core_px))
    own = {tile: cpu_seconds(lambda tile=tile: tiles(TorchRuntime(network), tile)) for tile in TORCH_TILES_PX}
    best = min(own.values())
    return {
        "onnx_mp_per_core_s": edge**2 / 1e6 / onnx,
        "torch_mp_per_core_s": {tile: edge**2 / 1e6 / seconds for tile, seconds in own.items()},
        "onnx_over_torch_best": best / onnx,
        **_of_monai(network, low, high),
    }


def _of_monai(network: Any, low: np.ndarray, high: np.ndarray) -> dict[str, float]:
    script = _script(network, low, high)
    return {} if script is None else {"monai_core_s_per_mp": cpu_seconds(script) / (low.shape[0] * low.shape[1] / 1e6)}


def _script(network: Any, low: np.ndarray, high: np.ndarray) -> Callable[[], None] | None:
    """What a script without this package would do: MONAI's sliding windows by torch, into a TIFF."""
    try:
        from monai.inferers import sliding_window_inference
    except ImportError:
        return None
    both = torch.from_numpy(np.concatenate([low, high], axis=2)).permute(2, 0, 1)[None].float() / 255

    def window(pair: torch.Tensor) -> torch.Tensor:
        return restore(network, pair[:, :3], pair[:, 3:], tile_px=WINDOW_PX)[0]

    def script() -> None:
        with torch.inference_mode():
            restored = sliding_window_inference(both, WINDOW_PX, 1, window, overlap=1 / 8, mode="gaussian")
        pixels = (restored[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
        with tempfile.TemporaryDirectory() as folder:
            tifffile.imwrite(Path(folder) / "out.tif", pixels, photometric="rgb", tile=(512, 512), compression="zlib")

    return script


def side_by_side(tsva: Path, fusion: Path, edge: int) -> dict[str, Any]:
    """Seconds of a whole slide of this edge, tissue all over, on all cores: the script, and this package by network."""
    torch.set_num_threads(cores := os.cpu_count() or 1)
    held = load(tsva)
    network = held.restored_network()
    found: dict[str, Any] = {"cores": cores, "megapixels": edge**2 / 1e6}
    for size in (WARMING_PX, edge):  # the small slide warms up, and its seconds are written over
        planes = PatternPlanes(size, held.pixel_um, held.delta_um)
        for name, path in (("tsva", tsva), ("fusion", fusion)):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                refocus_planes(planes, path, Path(folder) / "slide.ome.tif", SlideOptions(threads=cores))
                found[f"{name}_s"] = time.perf_counter() - began
        if (script := _script(network, *planes.read(0, 0, size, size))) is not None:
            began = time.perf_counter()
            script()
            found["script_s"] = time.perf_counter() - began
    if "script_s" in found:
        found |= {f"script_over_{name}": found["script_s"] / found[f"{name}_s"] for name in ("tsva", "fusion")}
    torch.set_num_threads(1)
    return found


def of_fusion(path: Path) -> dict[str, float]:
    """Megapixels a core-second of Fusion, bare, at its tile: with a map of the offset over 0.4 µm, and with one."""
    network, edge = load(path).restored_network(), 512 + 2 * 96
    low, high = (torch.rand(1, 3, edge, edge) for _ in range(2))
    with torch.inference_mode():
        one = network.decide(low[..., :224, :224], high[..., :224, :224])
        ramp = torch.linspace(0.6, 1.0, edge).expand(1, 1, edge, edge).contiguous()
        varied = replace(one, focal_offset_um=ramp, sd_um=torch.full_like(ramp, 0.1))
        found = {
            name: edge**2 / 1e6 / cpu_seconds(lambda decided=decided: network.with_error(low, high, decided), 3)
            for name, decided in (("one_offset_mp_per_core_s", one), ("offset_map_mp_per_core_s", varied))
        }
    return {**found, "map_over_one": found["offset_map_mp_per_core_s"] / found["one_offset_mp_per_core_s"]}


class NetworkClock:
    """While it lasts, the processor time of a class's method."""

    def __init__(self, owner: Any, method: str) -> None:
        self._owner, self._method, self._kept = owner, method, getattr(owner, method)
        self.seconds = 0.0

    def __enter__(self) -> NetworkClock:
        kept, clock = self._kept, self

        def timed(*arguments: Any) -> Any:
            began = time.thread_time()
            found = kept(*arguments)
            clock.seconds += time.thread_time() - began
            return found

        setattr(self._owner, self._method, timed)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self._owner, self._method, self._kept)


def of_runs(path: Path, edge: int, glass: float, clock: tuple[Any, str]) -> dict[str, float]:
    """Core-seconds of slides of this edge and of twice that, by what each megapixel more takes.

    A first slide fills the tables that the optics' other slides share.
    """
    held, found = load(path), []
    for size in (WARMING_PX, edge, 2 * edge):
        planes = PatternPlanes(size, held.pixel_um, held.delta_um, glass)
        with tempfile.TemporaryDirectory() as folder, NetworkClock(*clock) as network:
            began = time.process_time()
            refocus_planes(planes, path, Path(folder) / "slide.ome.tif", SlideOptions())
            found.append((size**2 / 1e6, time.process_time() - began, network.seconds))
    (small, seconds, of_network), (large, more, more_network) = found[1:]
    per_mp, network_per_mp = (more - seconds) / (large - small), (more_network - of_network) / (large - small)
    return {
        "glass": glass,
        "whatever_its_size_core_s": seconds - small * per_mp,
        "core_s_per_mp": per_mp,
        "network_core_s_per_mp": network_per_mp,
        "beside_network_core_s_per_mp": per_mp - network_per_mp,
        "largest_mp": large,
    }


def peak_mib(path: Path, edge: int) -> None:
    """Restore a slide and print this process's peak memory."""
    held = load(path)
    with tempfile.TemporaryDirectory() as folder:
        planes = PatternPlanes(edge, held.pixel_um, held.delta_um, glass=1 - min(1.0, TISSUE_PX / edge))
        refocus_planes(planes, path, Path(folder) / "slide.ome.tif", SlideOptions())
    click.echo(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def memory_of(path: Path, edge: int) -> int:
    """Peak MiB of a process of its own."""
    line = [sys.executable, __file__, "--tsva", str(path), "--fusion", str(path), "--only-memory", str(edge)]
    return int(subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()[-1])


@click.command()
@click.option("--tsva", "tsva_path", type=click.Path(path_type=Path), required=True)
@click.option("--fusion", "fusion_path", type=click.Path(path_type=Path), required=True)
@click.option("--edge", type=int, default=1536, show_default=True)
@click.option("--part", "parts", multiple=True, default=PARTS, type=click.Choice(PARTS), show_default=True)
@click.option(
    "--memory", type=int, multiple=True, help="Edges to measure peak memory at, each in a process of its own."
)
@click.option("--only-memory", type=int, help="Restore a slide of this edge and print this process's peak memory.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Keep the numbers in this file.")
def main(
    tsva_path: Path,
    fusion_path: Path,
    edge: int,
    parts: tuple[str, ...],
    memory: tuple[int, ...],
    only_memory: int | None,
    out: Path | None,
) -> None:
    """Measure."""
    torch.set_num_threads(1)
    if only_memory:
        peak_mib(tsva_path, only_memory)
        return
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out and out.exists() else {}
    if "tsva" in parts:
        found["tsva"] = of_tsva(tsva_path, edge)
    if "fusion" in parts:
        found["fusion"] = of_fusion(fusion_path)
    for name, path, clock in (
        ("tsva_runs", tsva_path, (OnnxRuntime, "__call__")),
        ("fusion_runs", fusion_path, (Fusion, "with_error")),
    ):
        if name in parts:
            found[name] = [of_runs(path, edge, glass, clock) for glass in (0.0, 0.4)]
    if "side_by_side" in parts:
        found["side_by_side"] = side_by_side(tsva_path, fusion_path, 2 * edge)
    if {"tsva", "tsva_runs"} <= found.keys() and "monai_core_s_per_mp" in found["tsva"]:
        script, own = found["tsva"]["monai_core_s_per_mp"], found["tsva_runs"]
        found["monai_over_run"] = {f"glass {run['glass']:g}": script / run["core_s_per_mp"] for run in own}
    for name, path in (("tsva", tsva_path), ("fusion", fusion_path)):
        if memory and name in parts:
            found[f"memory_mib_{name}"] = {size: memory_of(path, size) for size in memory}
    click.echo(json.dumps(found, indent=1))
    if out:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
