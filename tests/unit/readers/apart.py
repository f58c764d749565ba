"""A reader with little memory, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

READER = """
import resource, sys
from pathlib import Path
from tsva.errors import UserError
from tsva.readers.formats import stored_images
from tsva.readers.images import read_image
from tsva.readers.sharp import open_regions
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
ways = {"image": read_image, "stack": stack, "region": region, "stored": stored}
resource.setrlimit(resource.RLIMIT_AS, (2**30 + 2**29, resource.RLIM_INFINITY))
for way in sys.argv[2].split(","):
    try:
        ways[way](Path(sys.argv[1]))
    except UserError as error:
        print(str(error)[:250])
    else:
        print("read")
# of this program alone: getrusage would count the process that it was forked from
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def read_apart(path: Path, *ways: str) -> list[str]:
    """What a process with little memory says of a file, read in several ways; it has to stay below 1 GiB."""
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path), ",".join(ways or ("image", "stack", "region"))],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    *said, peak_kib = done.stdout.splitlines()
    assert int(peak_kib) < 2**20
    return said


def zeros(pixels: int) -> bytes:
    """So many zero bytes, deflated to a thousandth and without holding them."""
    press, out = zlib.compressobj(9), b""
    for _ in range(0, pixels, 2**20):
        out += press.compress(bytes(2**20))
    return out + press.flush()
