"""Read many damaged and hostile files: no crash, no hang, no traceback, no more than 1 GiB of memory.

    nice -n 19 python tests/fuzz/readers.py --inputs 100000

Input i is a function of (seed, i): what fails is made again by --first i --inputs 1. With --kinds dicom,ndpi all inputs
are of these kinds (names that start so), and a function of (seed, i, kinds). Prints a JSON object at the end; status 1
if anything failed. A child process reads; this one sees how it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsva.settings.sheet import SlideRow

sys.path.insert(0, str(Path(__file__).parent))

MOST_BYTES = 2**30
MOST_SECONDS = 20
MOST_PARTS = 50
ENDINGS = {"aperio": ".svs", "ndpi": ".ndpi", "ndpi_marks": ".ndpi"}
Whole = bytes | dict[str, bytes]


class TooLongError(BaseException):
    """No `Exception`, as readers tell every `OSError` (and so a `TimeoutError`) of a library as a damaged file."""


def main() -> int:
    """Run children until all inputs are read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default="", help="comma-separated beginnings of kinds' names; empty: all, and text")
    parser.add_argument("--child", action="store_true")
    told = parser.parse_args()
    if told.child:
        return read_all(told.first, told.inputs, told.seed, told.kinds)
    following, end, failures, peak, seconds = told.first, told.first + told.inputs, [], 0, 0.0
    outcomes: dict[str, int] = {}
    while following < end:
        # new children now and then: what one input leaves behind shall not hide in the peak of another
        done = _child(following, min(end - following, 5000), told.seed, told.kinds)
        failures += done["failures"]
        peak, seconds = max(peak, done["peak_bytes"]), seconds + done["cpu_seconds"]
        for name, count in done["outcomes"].items():
            outcomes[name] = outcomes.get(name, 0) + count
        following = done["following"]
        print(f"{following - told.first} inputs, {len(failures)} failures", file=sys.stderr, flush=True)
    answer = {
        "inputs": told.inputs,
        "seed": told.seed,
        "kinds": told.kinds,
        "failures": failures,
        "outcomes": outcomes,
        "peak_mib_above_start": round(peak / 2**20),
        "cpu_seconds": round(seconds),
    }
    print(json.dumps(answer, indent=1))
    return bool(failures)


def _child(first: int, inputs: int, seed: int, kinds: str) -> dict[str, Any]:
    command = [
        sys.executable,
        __file__,
        "--child",
        f"--first={first}",
        f"--inputs={inputs}",
        f"--seed={seed}",
        f"--kinds={kinds}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        process.wait()
    last: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    if process.returncode == 0:
        return last
    # killed by a signal: the last line names the input that was being read
    at = int(last.get("reading", first))
    text = f"input {at}: ended by signal {-process.returncode}"
    return {"failures": [text], "following": at + 1, "peak_bytes": 0, "cpu_seconds": 0, "outcomes": {}}


def read_all(first: int, inputs: int, seed: int, named: str) -> int:
    """Read inputs one by one, and say before each which it is (a crash leaves no other trace)."""
    import inputs as made

    warnings.simplefilter("ignore")
    logging.disable()  # tifffile tells each damage
    files = made.whole_files()
    kinds = sorted(kind for kind in files if not named or kind.startswith(tuple(named.split(","))))
    if not kinds:
        raise SystemExit(f"no kind is called {named}, but {', '.join(sorted(files))}")
    Path("planes").mkdir()
    failures: list[str] = []
    outcomes: dict[str, int] = {}
    for kind in files:
        read_file(files[kind], kind)  # loads all libraries, and starts their threads
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limit = _memory() + MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _too_long)
    for number in range(first, first + inputs):
        draw = random.Random(f"{seed}-{number}")
        print(json.dumps({"reading": number}), flush=True)
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)  # processor time: the machine may be shared
        try:
            outcome = _one(files, kinds, draw, with_text=not named)
        except BaseException as error:
            outcome = "failed"
            failures.append(f"input {number}: {error!r} {traceback.format_exc(limit=-3)}")
            print(failures[-1], file=sys.stderr, flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer = {
        "failures": failures,
        "following": first + inputs,
        "outcomes": outcomes,
        "peak_bytes": (usage.ru_maxrss - start) * 1024,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
    }
    print(json.dumps(answer))
    return 0


def _one(files: dict[str, Whole], kinds: list[str], draw: random.Random, with_text: bool) -> str:
    import inputs as made

    from tsva.errors import UserError
    from tsva.settings.root import parse_settings
    from tsva.settings.sheet import parse_sheet

    chance = draw.random() if with_text else 1.0
    try:
        if chance < 0.05:
            parse_sheet(made.sheet(draw), "sheet")
        elif chance < 0.1:
            parse_settings(json.loads(made.settings(draw)), "settings")
        else:
            kind = draw.choice(kinds)
            return read_file(made.changed(files[kind], draw), kind)
    except UserError:
        return "text refused"
    return "text taken"


def read_file(data: Whole, kind: str) -> str:
    """Read a file or folder in every way that stages read them."""
    from tsva.errors import UserError
    from tsva.readers.fields import find_fields
    from tsva.readers.images import read_image
    from tsva.readers.slide import read_sharp_fields
    from tsva.readers.stack_file import read_stack
    from tsva.readers.stacks import fields_of_stack

    path = Path(f"planes/z0um{ENDINGS.get(kind, '.tif')}")
    _write(path, data)
    said = {"slide": "A", "patient": "A", "sample": "A", "role": "train", "pixel_um": 0.5}
    ways: tuple[Callable[[], object], ...] = (
        lambda: read_image(path),
        lambda: read_stack(path),
        lambda: [list(field.planes()) for field in fields_of_stack(path, None, None)],
        lambda: [list(field.planes()) for field in find_fields(_row(said, path), Path())],
        lambda: list(read_sharp_fields(path, 0.5, 0.5, (16, 16), 2, 0.0)),
        lambda: _in_parts(path),
    )
    taken = 0
    for way in ways:
        with contextlib.suppress(UserError):
            way()
            taken += 1
    return "file read in some way" if taken else "file refused"


def _write(path: Path, data: Whole) -> None:
    for old in path.parent.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    if isinstance(data, bytes):
        path.write_bytes(data)
        return
    path.mkdir()
    for name, content in data.items():
        file = path / name
        with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):  # a file where a folder was
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _row(said: dict[str, Any], path: Path) -> SlideRow:
    from tsva.settings.sheet import SlideRow

    if path.is_dir():
        return SlideRow.model_validate({**said, "source": "stack", "path": str(path), "z_step_um": 0.5, "bits": 12})
    pattern = path.name.replace("0", "{z}")
    return SlideRow.model_validate({**said, "source": "planes", "path": "planes", "pattern": pattern})


def _in_parts(path: Path) -> None:
    """Flat images too, and stacks of 16 bits, part by part."""
    from tsva.readers.source import stored_images
    from tsva.readers.stacks import fields_of_stack

    for image in stored_images(path):
        with image.open() as reader:
            reader.read(0, 0, 0, min(image.height_px, 40), min(image.width_px, 40))
    # a legal Zarr image may be large and mostly not there: thousands of parts are work, no hang
    for field in fields_of_stack(path, 0.5, 0.5, 12, 40)[:MOST_PARTS]:
        for plane in field.planes():
            assert plane.dtype == "uint8" and plane.shape[2] in (1, 3)
        assert field.region is not None
        field.region(len(field.z_um) - 1, 1, 2, 8, 8)


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _too_long(*_: object) -> None:
    # of a library that never comes back, the second signal makes an end
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, 10)
    raise TooLongError(f"more than {MOST_SECONDS} s at {time.process_time():.0f} s")


if __name__ == "__main__":
    sys.exit(main())
