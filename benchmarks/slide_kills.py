"""Whole slides: a run that is killed ten times writes the same bytes as one that is not.

    python benchmarks/slide_kills.py --model model.ckpt [--edge 1536]

The command is killed (SIGKILL) when its journal has grown by a tenth of what the unbroken one held, again and again;
after one of these kills the journal's last record is torn; the last kill is while the pyramid is written. Prints one
JSON object.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import tifffile
from slides import PatternPlanes

from tsva.restoration.checkpoint import load
from tsva.slides.workplace import workplace_of

KILLS, TORN_AFTER, TORN_BYTES = 10, 4, 7
POLL_S = 0.002
PROGRAM = "from tsva.cli.main import main; main()"


def started(line: list[str]) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *line], stderr=subprocess.DEVNULL)


def size(path: Path) -> int:
    """Of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def killed_when(line: list[str], reached: object) -> bool:
    """Start, and kill when `reached()`; whether that came before the end."""
    process = started(line)
    while process.poll() is None:
        if reached():  # type: ignore[operator]
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(POLL_S)
    return False


@click.command()
@click.option("--model", type=click.Path(path_type=Path), required=True)
@click.option("--edge", type=int, default=1536, show_default=True)
def main(model: Path, edge: int) -> None:
    """Measure."""
    held = load(model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shots = PatternPlanes(edge, held.pixel_um, held.delta_um).read(0, 0, edge, edge)
        for plane, pixels in zip(("low", "high"), shots, strict=True):
            tifffile.imwrite(folder / f"{plane}.tif", pixels, photometric="rgb", tile=(256, 256))
        fixed = ["--model", model, "--low", folder / "low.tif", "--high", folder / "high.tif"]
        fixed += ["--delta-um", held.delta_um, "--pixel-um", held.pixel_um]

        def line(out: Path) -> list[str]:
            return ["refocus-slide", *map(str, fixed), "--out", str(out)]

        calm, out = folder / "calm.ome.tif", folder / "killed.ome.tif"
        journal, largest = workplace_of(calm) / "tiles.journal", 0
        process = started(line(calm))
        while process.poll() is None:
            largest = max(largest, size(journal))
            time.sleep(POLL_S)
        journal, kills, torn = workplace_of(out) / "tiles.journal", 0, False
        for number in range(KILLS - 1):
            wanted = largest * (number + 1) // KILLS
            kills += killed_when(line(out), lambda wanted=wanted: size(journal) >= wanted)
            if number == TORN_AFTER:
                with journal.open("r+b") as file:
                    file.truncate(size(journal) - TORN_BYTES)
                torn = True
        kills += killed_when(line(out), lambda: any(folder.glob(".part-killed*")))
        assert not out.exists()
        again = started(line(out)).wait()
        same = again == 0 and out.read_bytes() == calm.read_bytes()
        click.echo(json.dumps({"edge": edge, "kills": kills, "torn_record": torn, "same_bytes": same}))


if __name__ == "__main__":
    main()
