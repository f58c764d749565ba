"""Taking z-stacks in against `tifffile.imread` of the same files, which does nothing but decode them.

    python benchmarks/ingest.py [--planes 21] [--turns 5] [--against CHECKOUT]

Prints one JSON object, an entry a way of storing: seconds by the clock on the cores there are (the least of some turns
that alternate; `imread` as it is called by default), the ratio of throughputs (plain over ours: 0.9 means nine tenths
of tifffile's), and by how many planes the memory of a process of its own grew, for each of
- `read`: all planes through the readers, as `uint8`, one by one;
- `ingest`: read, checked, and written as a stack of the ingest stage, with the file's name from its pixels;
- `rewrite`: read by `imread` and written as OME-TIFF by `imwrite`: the peer that writes, too.
With --against the code of another checkout of this project takes turns with this one on the same files (`read`,
`ingest`), as its own benchmark measures them; `over_other` is its time over this one's: 1.1 means a tenth faster now.
The stacks are noise on a slope, as cameras give it: compressed files that decode faster than real ones would flatter.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from tsva.acquisition.brightness import BrightnessRecorder
from tsva.cli.ingest import write_field
from tsva.readers.stack_file import read_ahead
from tsva.readers.stacks import fields_of_stack

SHAPE = (1024, 1224, 3)
PIXEL_UM, STEP_UM = 0.345, 0.5
KINDS: dict[str, dict[str, object]] = {
    "plain": {},
    "deflate strips": {"compression": "zlib", "rowsperstrip": 64},
    "lzw strips": {"compression": "lzw", "rowsperstrip": 64},
    "zstd tiles": {"compression": "zstd", "tile": (256, 256)},
    "jpeg tiles": {"compression": "jpeg", "tile": (256, 256)},
}


def write(path: Path, planes: int, options: dict[str, object]) -> None:
    """A colour stack of noise on a slope."""
    draw = np.random.default_rng(1)
    slope = np.linspace(120, 220, SHAPE[1])[:, None]
    with tifffile.TiffWriter(path) as tif:
        for _ in range(planes):
            plane = np.clip(slope + draw.normal(0, 2, SHAPE), 0, 255).astype(np.uint8)
            tif.write(plane, photometric="rgb", metadata=None, contiguous=False, **options)  # type: ignore[arg-type]


def plain(path: Path, _: Path) -> None:
    """The peer."""
    tifffile.imread(path, key=slice(None))


def read(path: Path, _: Path) -> None:
    """All planes by the readers."""
    for field in fields_of_stack(path, PIXEL_UM, STEP_UM):
        for plane in read_ahead(field.planes()):
            np.ascontiguousarray(plane).reshape(-1)[::4096].max()  # mapped pages are read when they are looked at


def ingest(path: Path, out: Path) -> None:
    """Read, check, write."""
    for source in fields_of_stack(path, PIXEL_UM, STEP_UM):
        write_field(source, out / f"{source.name}.ome.tif", source.pixel_um, BrightnessRecorder())


def rewrite(path: Path, out: Path) -> None:
    """What ingest does, without its checks and with all planes in memory, by tifffile alone."""
    planes = tifffile.imread(path, key=slice(None))
    metadata = {"axes": "ZYXS", "PhysicalSizeX": PIXEL_UM, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(out / "rewritten.ome.tif", planes, photometric="rgb", metadata=metadata)


WAYS: dict[str, Callable[[Path, Path], None]] = {"plain": plain, "read": read, "ingest": ingest, "rewrite": rewrite}


def seconds(way: str, path: Path, out: Path) -> float:
    """By the clock."""
    start = time.perf_counter()
    WAYS[way](path, out)
    return time.perf_counter() - start


SERVER = """
import importlib.util, sys
from pathlib import Path
from time import perf_counter, process_time
spec = importlib.util.spec_from_file_location("measured", sys.argv[1])
measured = importlib.util.module_from_spec(spec)
spec.loader.exec_module(measured)
for line in sys.stdin:
    way, path, out = line.rstrip().split("|")
    start = perf_counter(), process_time()
    measured.WAYS[way](Path(path), Path(out))
    print(perf_counter() - start[0], process_time() - start[1], flush=True)
"""
"""Runs ways of a checkout's benchmark on request; says the seconds of each by the clock and of the processor."""


def serving(checkout: Path) -> subprocess.Popen[str]:
    """A process that measures with the code of a checkout."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER, str(checkout / "benchmarks/ingest.py")],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def against(path: Path, out: Path, turns: int, checkouts: tuple[Path, Path]) -> dict[str, object]:
    """Least seconds of this and another checkout, which take turns."""
    servers = [serving(checkout) for checkout in checkouts]
    times = {way: [[float("inf")] * 2, [float("inf")] * 2] for way in ("read", "ingest")}
    for turn in range(turns + 1):  # the first one loads libraries
        for way, best in times.items():
            for number, server in enumerate(servers):
                assert server.stdin is not None
                assert server.stdout is not None
                server.stdin.write(f"{way}|{path}|{out}\n")
                server.stdin.flush()
                said = map(float, server.stdout.readline().split())
                best[number] = [min(pair) for pair in zip(best[number], said, strict=True)] if turn else best[number]
    for server in servers:
        server.communicate()
    return {
        way: {
            unit: {
                "this": round(best[0][i], 4),
                "other": round(best[1][i], 4),
                "over_other": round(best[1][i] / best[0][i], 2),
            }
            for i, unit in enumerate(("clock_s", "processor_s"))
        }
        for way, best in times.items()
    }


def planes_held(way: str, path: Path) -> float:
    """Growth of the peak memory of a process of its own, in planes."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", way, str(path)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def memory(way: str, path: Path) -> float:
    """The same, within that process: one turn first for whatever libraries keep, then the peak's growth (Linux)."""
    with tempfile.TemporaryDirectory() as out:
        WAYS[way](path, Path(out))
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _kib("VmRSS")
        WAYS[way](path, Path(out))
        return (_kib("VmHWM") - before) * 1024 / float(np.prod(SHAPE))


def _kib(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def compare(path: Path, out: Path, turns: int) -> dict[str, object]:
    """All ways on one file."""
    times = dict.fromkeys(WAYS, float("inf"))
    for _ in range(turns):
        times = {way: min(times[way], seconds(way, path, out)) for way in WAYS}
    return {
        "seconds": {way: round(value, 3) for way, value in times.items()},
        "ratio": {way: round(times["plain"] / times[way], 2) for way in WAYS if way != "plain"},
        "ingest_to_rewrite": round(times["rewrite"] / times["ingest"], 2),
        "planes_held": {way: round(planes_held(way, path), 1) for way in WAYS},
    }


def main() -> None:
    """Compare, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--planes", type=int, default=21)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--memory", nargs=2)
    parser.add_argument("--against", type=Path, help="another checkout of this project")
    told = parser.parse_args()
    if told.memory:
        print(memory(told.memory[0], Path(told.memory[1])))
        return
    result: dict[str, object] = {"planes": told.planes, "shape": SHAPE, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        for kind, options in KINDS.items():
            path = Path(folder) / f"{kind.replace(' ', '_')}.tif"
            write(path, told.planes, options)
            if told.against is None:
                result[kind] = compare(path, Path(folder), told.turns)
            else:
                result[kind] = against(path, Path(folder), told.turns, (Path(__file__).parents[1], told.against))
            path.unlink()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
