"""Small OME-Zarr images in any compression."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr

STEP_UM, PIXEL_UM = 0.5, 0.345


def write_zarr(path: Path, pixels: np.ndarray, form: int, *, axes: str = "zyx", **how: Any) -> None:
    """An image of one level, called 0, in Zarr's format 2 or 3."""
    units = [{"name": name, "type": "space", "unit": "micrometer"} for name in axes]
    scale = [{"z": STEP_UM, "y": PIXEL_UM, "x": PIXEL_UM}.get(name, 1.0) for name in axes]
    said = {
        "axes": units,
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
    }
    root = zarr.open_group(path, mode="w", zarr_format=form)
    root.attrs.update(
        {"multiscales": [{**said, "version": "0.4"}]}
        if form == 2
        else {"ome": {"version": "0.5", "multiscales": [said]}}
    )
    level = root.create_array("0", shape=pixels.shape, dtype=pixels.dtype, **{"chunks": pixels.shape, **how})
    level[...] = pixels


def change_json(path: Path, **values: Any) -> None:
    """Other values in a header."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
