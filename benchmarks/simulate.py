"""Layered imaging against one `scipy.signal.fftconvolve` a layer, plane and colour; PSF stacks against psfmodels.

    python benchmarks/simulate.py [--threads 1] [--plain-planes 3]

Prints one JSON object. The whole z-stack is imaged first, with its transfer functions computed from nothing, and the
process's peak memory read before anything else runs; planes are handed over one by one. The plain way is timed on some
planes (the colours in turn) and scaled to the whole; its kernels are cut to 255 samples (44 µm). A cut kernel loses the
PSF's tails, so equality is tested with whole kernels, as large as the frame, in float64. Times are on the clock and of
the processor; the latter say more where the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
import psfmodels
import scipy.fft
from scipy.interpolate import CubicSpline
from scipy.signal import fftconvolve

from tsva.optics.camera import Grid
from tsva.optics.imaging import image_layers
from tsva.optics.otf import OtfTable, share_to_knots
from tsva.optics.psf import sampled_psf
from tsva.optics.pupil import Pupil
from tsva.settings.acquisition import OpticsSettings

OPTICS = OpticsSettings()
GRID = Grid((1024, 1224), OPTICS.pixel_um, 2)
Z_UM = np.arange(-10, 10.1, 0.5)
HEIGHTS_UM = np.arange(-1, 1.1, 0.5)
KERNEL = 255
PSF = {"planes": 41, "size": 127, "step_um": 0.1, "wavelength_um": 0.55}


def kernel(table: OtfTable, channel: int, z_um: float) -> np.ndarray:
    """What a camera pixel collects of a point, at the fine sampling, over the whole periodic frame; sample 0 first."""
    rows, columns = (GRID.fine * edge for edge in GRID.shape_px)
    step_um = GRID.pixel_um / GRID.fine
    f_y, f_x = np.fft.fftfreq(rows, step_um)[:, None], np.fft.rfftfreq(columns, step_um)[None]
    spline = CubicSpline(table.knots(), table.at_knots(channel, np.array([z_um]))[:, 0])
    otf = spline(share_to_knots(np.hypot(f_y, f_x) / table.cutoffs[channel])).astype(complex)
    otf *= np.sinc(f_y * GRID.pixel_um) * np.sinc(f_x * GRID.pixel_um) * np.exp(1j * np.pi * step_um * (f_y + f_x))
    otf[rows // 2] = otf[:, columns // 2] = 0
    return scipy.fft.irfft2(otf, (rows, columns))


def plainly(layers: list[np.ndarray], kernels: list[np.ndarray]) -> np.ndarray:
    """One plane of one colour: cut kernels, centred, one convolution a layer."""
    taken = np.sum([fftconvolve(layer, cut, mode="same") for layer, cut in zip(layers, kernels, strict=True)], axis=0)
    return 1 - taken[:: GRID.fine, :: GRID.fine]


def plainly_and_exactly(layers: list[np.ndarray], kernels: list[np.ndarray]) -> np.ndarray:
    """The same with whole kernels; what runs over the frame's edge comes in on the other side."""
    rows, columns = layers[0].shape
    taken = np.zeros((2 * rows, 2 * columns))
    for layer, whole in zip(layers, kernels, strict=True):
        taken[:-1, :-1] += fftconvolve(layer.astype(float), whole, mode="full")
    folded = taken[:rows, :columns] + taken[rows:, :columns] + taken[:rows, columns:] + taken[rows:, columns:]
    return 1 - folded[:: GRID.fine, :: GRID.fine]


def cut(whole: np.ndarray) -> np.ndarray:
    """The middle of a kernel, in float32."""
    middle = np.fft.fftshift(whole)
    y, x = (edge // 2 - KERNEL // 2 for edge in whole.shape)
    return middle[y : y + KERNEL, x : x + KERNEL].astype(np.float32)


def imaging(threads: int, plain_planes: int) -> dict[str, object]:
    """Time, memory and equality of the layered imaging."""
    rng = np.random.default_rng(0)
    fine_shape = tuple(GRID.fine * edge for edge in GRID.shape_px)
    layers = [rng.random(fine_shape, dtype=np.float32) / len(HEIGHTS_UM) for _ in HEIGHTS_UM]
    chosen = np.linspace(0, len(Z_UM) - 1, plain_planes).round().astype(int)
    kept: dict[tuple[int, int], np.ndarray] = {}
    start, start_cpu = time.perf_counter(), time.process_time()
    table = OtfTable(OPTICS, np.ptp(Z_UM) / 2 + HEIGHTS_UM.max())
    for plane, channel, one in image_layers(
        [[layer] * 3 for layer in layers], HEIGHTS_UM, Z_UM, table, GRID, threads=threads
    ):
        if plane in chosen:
            kept[plane, channel] = one
    ours_s, ours_cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    largest = cut_difference = plain_s = plain_cpu_s = 0.0
    with scipy.fft.set_workers(threads):
        for place, index in enumerate(chosen):
            channel = place % 3
            whole = [kernel(table, channel, Z_UM[index] - height) for height in HEIGHTS_UM]
            small = [cut(one) for one in whole]
            start, start_cpu = time.perf_counter(), time.process_time()
            plane = plainly(layers, small)
            plain_s += time.perf_counter() - start
            plain_cpu_s += time.process_time() - start_cpu
            ours = kept[index, channel]
            inner = (slice(KERNEL, -KERNEL), slice(KERNEL, -KERNEL))
            cut_difference = max(cut_difference, float(np.abs(plane - ours)[inner].max()))
            largest = max(largest, float(np.abs(plainly_and_exactly(layers, whole) - ours).max()))
    share = plain_planes / (3 * len(Z_UM))
    return {
        "planes": len(Z_UM),
        "shape_px": GRID.shape_px,
        "colours": 3,
        "layers": len(HEIGHTS_UM),
        "fine": GRID.fine,
        "threads": threads,
        "ours_s": round(ours_s, 2),
        "ours_cpu_s": round(ours_cpu_s, 2),
        "ours_peak_mib": round(peak_mib),
        "plain_planes_measured": plain_planes,
        "plain_s_scaled": round(plain_s / share, 1),
        "plain_cpu_s_scaled": round(plain_cpu_s / share, 1),
        "ratio": round(plain_s / share / ours_s, 1),
        "ratio_cpu": round(plain_cpu_s / share / ours_cpu_s, 1),
        "largest_difference": largest,
        "difference_of_cut_kernel": cut_difference,
    }


def point_spread(repeats: int) -> dict[str, object]:
    """PSF stacks a second: eq. 1, every sample evaluated, against psfmodels' scalar model without oversampling."""
    pupil, size, step_um, wavelength_um = Pupil(0.75, 1.0), int(PSF["size"]), PSF["step_um"], PSF["wavelength_um"]
    z_um = np.linspace(-5, 5, int(PSF["planes"]))
    air = {"NA": 0.75, "ni": 1.0, "ni0": 1.0, "ns": 1.0, "ng": 1.515, "ng0": 1.515, "sf": 1}
    ways = {
        "ours": lambda: sampled_psf(pupil, wavelength_um, z_um, size, step_um),
        "psfmodels": lambda: psfmodels.scalar_psf(z_um, size, step_um, 0.0, wavelength_um, air),
    }
    per_second = {}
    for name, way in ways.items():
        way()
        start = time.perf_counter()
        for _ in range(repeats):
            way()
        per_second[name] = repeats / (time.perf_counter() - start)
    return {
        **PSF,
        "psfmodels_version": psfmodels.__version__,
        **{f"{name}_stacks_per_s": round(value, 2) for name, value in per_second.items()},
        "ratio": round(per_second["ours"] / per_second["psfmodels"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plain-planes", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    result = {
        "benchmark": "simulate",
        "imaging": imaging(asked.threads, asked.plain_planes),
        "psf": point_spread(asked.repeats),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
