"""A reader with little memory, in a process of its own."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import zlib
from functools import cache
from pathlib import Path

READER = """
import json, os, resource, signal, sys, traceback
import pydicom, tifffile, zarr
from pathlib import Path
from tsva.errors import UserError
from tsva.readers.source import stored_images
from tsva.readers.images import read_image
from tsva.readers.slide import open_regions
from tsva.readers.stacks import fields_of_stack
def region(path):
    with open_regions(path) as image:
        image.read(0, 0, 0, 8, 8)
def stored(path):
    for found in stored_images(path):
        with found.open() as reader:
            reader.read(0, 0, 0, found.height_px, found.width_px)
def stack(path):
    return [list(f.planes()) for f in fields_of_stack(path, 0.5, 0.5)]
all_ways = {"image": read_image, "stack": stack, "region": region, "stored": stored}
def read(path, ways):
    signal.alarm(180)
    resource.setrlimit(resource.RLIMIT_AS, (2**30 + 2**29, resource.RLIM_INFINITY))
    for way in ways:
        try:
            all_ways[way](Path(path))
        except UserError as error:
            print(str(error)[:250])
        else:
            print("read")
    # of this program alone: getrusage would count the process that it was forked from
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
for line in sys.stdin:
    path, ways, printed, errors = json.loads(line)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT), 1)
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
            read(path, ways)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _server() -> subprocess.Popen[str]:
    """A process that has loaded the readers and forks for every file, as loading takes longer than reading."""
    server = subprocess.Popen(
        [sys.executable, "-c", READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    atexit.register(server.kill)
    return server


def read_apart(path: Path, *ways: str) -> list[str]:
    """What a process with little memory says of a file, read in several ways; it has to stay below 1 GiB."""
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.TemporaryDirectory() as folder:
        printed, errors = Path(folder) / "printed", Path(folder) / "errors"
        request = [str(path), ways or ("image", "stack", "region"), str(printed), str(errors)]
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = server.stdout.readline().strip()
        assert status == "0", errors.read_text()
        text = printed.read_text()
    *said, peak_kib = text.splitlines()
    assert int(peak_kib) < 2**20
    return said


def zeros(pixels: int) -> bytes:
    """So many zero bytes (in whole MiB), deflated to a thousandth and without holding them."""
    press, size = zlib.compressobj(9, zlib.DEFLATED, -15), 2**20
    blocks = -(-pixels // size)
    block = press.compress(bytes(size)) + press.flush(zlib.Z_FULL_FLUSH)
    # Adler-32 of n zeros: the first sum stays 1, the second one is n
    check = (blocks * size % 65521) << 16 | 1
    return b"\x78\xda" + block * blocks + press.flush() + check.to_bytes(4, "big")
