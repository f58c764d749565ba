"""Whole-slide refocusing: speed as ratios in one run, core-seconds beside the network, and memory.

    python benchmarks/slides.py --tsva model.ckpt --fusion model.ckpt [--edge 2048] [--memory 2048 4096]

- `tsva`: the network by ONNX Runtime at its own tile, against torch at the best of three tiles, and against a plain
  loop (torch, tiles with 1/8 overlap, each tile deciding on Y1 for itself, tifffile), on the same pixels.
- `fusion`: megapixels a second with a map of the focal offset, and with one offset.
- `beside_network`: core-seconds a megapixel of the whole run (survey, judging, encoding, pyramid) less the network's.
- `memory`: peak resident MiB of a process that restores slides of these edges, whose planes are read tile by tile.

All on one thread. Prints one JSON object.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import tifffile
import torch

from tsva.restoration.checkpoint import load
from tsva.restoration.pair_network import SharperShotNetwork
from tsva.restoration.refocus import restore
from tsva.restoration.runtime import OnnxRuntime, TorchRuntime
from tsva.slides.slide_run import SlideOptions, refocus_planes

TORCH_TILES_PX = (224, 512, 1024)
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
        rows, columns = (np.arange(at, at + size) for at, size in ((y, height), (x, width)))
        shots = [shot[np.ix_(rows % SPECKS_PX, columns % SPECKS_PX)] for shot in self._shots]
        for shot in shots:
            shot[rows < self._glass_rows] = 245
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
    """Core-seconds of the network by both runtimes, and of a plain loop."""
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
    plain = cpu_seconds(lambda: _plain_loop(network, low, high))
    best = min(own.values())
    return {
        "onnx_mp_per_core_s": edge**2 / 1e6 / onnx,
        "torch_mp_per_core_s": {tile: edge**2 / 1e6 / seconds for tile, seconds in own.items()},
        "onnx_over_torch_best": best / onnx,
        "plain_loop_core_s": plain,
    }


def _plain_loop(network: Any, low: np.ndarray, high: np.ndarray, tile_px: int = 256) -> None:
    """What a script without this package would do: overlapping tiles by torch, one after the other, into a TIFF."""
    step, out = tile_px * 7 // 8, np.zeros_like(low)
    for y in range(0, low.shape[0], step):
        for x in range(0, low.shape[1], step):
            part = slice(y, y + tile_px), slice(x, x + tile_px)
            pair = [torch.from_numpy(s[part].copy()).permute(2, 0, 1)[None].float() / 255 for s in (low, high)]
            with torch.inference_mode():
                restored, _ = restore(network, *pair, tile_px=tile_px)
            out[part] = (restored[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    with tempfile.TemporaryDirectory() as folder:
        tifffile.imwrite(Path(folder) / "out.tif", out, photometric="rgb", tile=(512, 512), compression="jpeg")


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


def of_run(path: Path, edge: int, glass: float) -> dict[str, float]:
    """Processor time and wall time of a whole slide, and how much of it the network takes."""
    from tsva.restoration.runtime import OnnxRuntime as Onnx

    held, network_s = load(path), [0.0]
    original = Onnx.__call__

    def timed(self: Any, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        began = time.thread_time()
        restored = original(self, first, second)
        network_s[0] += time.thread_time() - began
        return restored

    Onnx.__call__ = timed  # type: ignore[method-assign]
    try:
        planes = PatternPlanes(edge, held.pixel_um, held.delta_um, glass)
        with tempfile.TemporaryDirectory() as folder:
            began, wall = time.process_time(), time.perf_counter()
            refocus_planes(planes, path, Path(folder) / "slide.ome.tif", SlideOptions())
            seconds, wall_s = time.process_time() - began, time.perf_counter() - wall
    finally:
        Onnx.__call__ = original  # type: ignore[method-assign]
    megapixels = edge**2 / 1e6
    return {
        "glass": glass,
        "core_s_per_mp": seconds / megapixels,
        "beside_network_core_s_per_mp": (seconds - network_s[0]) / megapixels,
        "wall_mp_per_s": megapixels / wall_s,
    }


@click.command()
@click.option("--tsva", "tsva_path", type=click.Path(path_type=Path), required=True)
@click.option("--fusion", "fusion_path", type=click.Path(path_type=Path), required=True)
@click.option("--edge", type=int, default=2048, show_default=True)
@click.option(
    "--memory", type=int, multiple=True, help="Edges to measure peak memory at, each in a process of its own."
)
@click.option("--only-memory", type=int, help="Restore a slide of this edge and print this process's peak memory.")
def main(tsva_path: Path, fusion_path: Path, edge: int, memory: tuple[int, ...], only_memory: int | None) -> None:
    """Measure."""
    torch.set_num_threads(1)
    if only_memory:
        held = load(tsva_path)
        with tempfile.TemporaryDirectory() as folder:
            planes = PatternPlanes(
                only_memory, held.pixel_um, held.delta_um, glass=1 - min(1.0, TISSUE_PX / only_memory)
            )
            refocus_planes(planes, tsva_path, Path(folder) / "slide.ome.tif", SlideOptions())
        click.echo(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        return
    found: dict[str, Any] = {"tsva": of_tsva(tsva_path, edge), "fusion": of_fusion(fusion_path)}
    found["runs"] = [of_run(tsva_path, edge, glass) for glass in (0.0, 0.4)]
    found["plain_loop_over_run"] = found["tsva"]["plain_loop_core_s"] / (
        found["runs"][0]["core_s_per_mp"] * edge**2 / 1e6
    )
    for name, path in (("tsva", tsva_path), ("fusion", fusion_path)):
        found[f"memory_mib_{name}"] = {
            size: int(
                subprocess.run(
                    [sys.executable, __file__, "--tsva", path, "--fusion", path, "--only-memory", str(size)],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout.split()[-1]
            )
            for size in memory
        }
    click.echo(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
