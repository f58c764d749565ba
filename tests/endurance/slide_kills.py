"""Kill `tsva refocus-slide` again and again; what it writes in the end must be what an unbroken run writes.

    python tests/endurance/slide_kills.py --model model.ckpt --low a.tif --high b.tif --delta-um 0.5 [--kills 10]

Kills come at random times over an unbroken run's duration, one of them in assembly, and after one of them the last
record of the journal is torn. Prints one JSON object; status 1 if a byte differs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click


@click.command()
@click.option("--model", type=click.Path(path_type=Path), required=True)
@click.option("--low", type=click.Path(path_type=Path), required=True)
@click.option("--high", type=click.Path(path_type=Path), required=True)
@click.option("--delta-um", type=float, default=0.5, show_default=True)
@click.option("--kills", type=click.IntRange(min=2), default=10, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(model: Path, low: Path, high: Path, delta_um: float, kills: int, seed: int) -> None:
    """Run it unbroken once, then kill it so often, then let it end."""
    code = "from tsva.cli.main import main; main()"
    line = [sys.executable, "-c", code, "refocus-slide", "--model", model, "--low", low, "--high", high]
    line += ["--delta-um", delta_um, "--out"]
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        calm, out = Path(folder) / "calm.ome.tif", Path(folder) / "killed.ome.tif"
        began = time.monotonic()
        subprocess.run([*map(str, line), str(calm)], check=True, stderr=subprocess.DEVNULL)
        seconds, unfinished, reached = time.monotonic() - began, Path(f"{out}.unfinished"), []
        for number in range(kills):
            process = subprocess.Popen([*map(str, line), str(out)], stderr=subprocess.DEVNULL)
            until = time.monotonic() + (0.15 + chance.random() / 3) * seconds
            in_assembly = number == kills - 1
            while process.poll() is None and (in_assembly or time.monotonic() < until):
                if in_assembly and out.with_name(f".part-{out.name}").exists():
                    break
                time.sleep(0.005)
            if process.poll() is not None:
                break
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            journal = unfinished / "tiles.journal"
            reached.append(journal.stat().st_size if journal.exists() else 0)
            if number == kills // 2 and journal.exists():
                os.truncate(journal, max(journal.stat().st_size - 1000, 0))
        subprocess.run([*map(str, line), str(out)], check=True, stderr=subprocess.DEVNULL)
        same = calm.read_bytes() == out.read_bytes()
    click.echo(
        json.dumps({"unbroken_s": round(seconds, 1), "kills": len(reached), "journal_bytes": reached, "same": same})
    )
    sys.exit(not same)


if __name__ == "__main__":
    main()
