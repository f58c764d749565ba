"""Files with scrambled bytes are refused or read; they never end in a traceback."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tsva.acquisition.stack import Stack
from tsva.errors import UserError
from tsva.readers.images import read_image
from tsva.readers.slide import open_regions
from tsva.readers.stack_file import read_stack, write_stack
from tsva.readers.stacks import fields_of_stack

TRIALS = 40


def _bytes(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _files(planes: np.ndarray, folder: Path) -> Iterable[tuple[str, bytes]]:
    write_stack(folder / "own.ome.tif", Stack(planes, np.arange(len(planes)) * 0.5, 0.345))
    yield "own", (folder / "own.ome.tif").read_bytes()
    yield "imagej", _bytes(lambda file: tifffile.imwrite(file, planes, imagej=True))
    for options in ({}, {"compression": "zlib", "metadata": None}, {"compression": "jpeg", "tile": (16, 16)}):
        yield str(options), _bytes(lambda file, o=options: tifffile.imwrite(file, planes, photometric="rgb", **o))
    for kind in ("PNG", "JPEG"):
        yield kind, _bytes(lambda file, k=kind: Image.fromarray(planes[0]).save(file, k))


def _read_in_every_way(path: Path) -> None:
    def region() -> None:
        with open_regions(path) as image:
            image.read(0, 0, 0, 1, 1)

    def stack() -> None:
        for field in fields_of_stack(path, 0.345, 0.5):
            list(field.planes())

    for read in (lambda: read_image(path), lambda: read_stack(path), stack, region):
        with contextlib.suppress(UserError):
            read()


@pytest.mark.parametrize("seed", range(4))
def test_scrambled_bytes_never_end_in_a_traceback(tmp_path: Path, planes: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for name, whole in _files(planes[:3], tmp_path):
        for trial in range(TRIALS):
            data = bytearray(whole)
            for _ in range(int(rng.integers(1, 4))):
                # headers lie at the start and the end
                place = int(rng.integers(0, min(600, len(data))))
                data[place if rng.random() < 0.6 else -1 - place] = int(rng.integers(0, 256))
            (tmp_path / "scrambled").write_bytes(data)
            try:
                _read_in_every_way(tmp_path / "scrambled")
            except Exception as error:
                pytest.fail(f"{name}, trial {trial}: {error!r}")
