"""A small problem that a network can learn in seconds: sharp texture, planes blurred more the farther they are off."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter


def stacks(patches: int, seed: int, channels: int = 3, edge: int = 32) -> np.ndarray:
    """(patch, 15, Y, X, C) uint8: blobs, blurred by 0.6 pixels a plane on either side of the middle."""
    random = np.random.default_rng(seed)
    blobs = gaussian_filter(random.normal(size=(patches, edge, edge, channels)), (0, 1, 1, 0), mode="wrap")
    blobs = 0.5 + 0.12 * blobs / blobs.std()
    planes = [
        gaussian_filter(blobs, (0, 0.6 * abs(z) + 1e-9, 0.6 * abs(z) + 1e-9, 0), mode="wrap") for z in range(-7, 8)
    ]
    noisy = np.stack(planes, axis=1) + random.normal(0, 0.01, (patches, 15, edge, edge, channels))
    return np.clip(np.rint(noisy * 255), 0, 255).astype(np.uint8)


def patch_table(slides: dict[str, str], patches: int, channels: int = 3, pixel_um: float = 0.345) -> pd.DataFrame:
    """`pairs/<data set>.tsv` of slides (name: split) with so many patches each."""
    rows = [
        {
            "index": i,
            "sample": "Sample1",
            "patient": slide,
            "slide": slide,
            "role": "train",
            "field": "f001",
            "row": 0,
            "column": i,
            "y_px": 0,
            "x_px": 32 * i,
            "pixel_um": pixel_um,
            "channels": channels,
            "focus_z_um": 0.0,
            "focus_plane": 10,
            "own_focus_plane": 10,
            "own_focus_z_um": 0.0,
            "target_plane": 10,
            "target_z_um": 0.0,
            "target_offset_um": 0.0,
            "focal_offset_um": 1.0,
            "array": f"pairs/{slide}/patches.npy",
            "has_clean": 0,
            "draws": 0,
            "split": split,
        }
        for slide, split in slides.items()
        for i in range(patches)
    ]
    return pd.DataFrame(rows)
