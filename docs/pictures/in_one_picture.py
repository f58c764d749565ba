"""docs/pictures/in_one_picture.jpg: two shots, what a network makes of them, and the in-focus plane.

    python docs/pictures/in_one_picture.py results/train/fusion/model.ckpt docs/pictures/in_one_picture.jpg

The tissue is drawn anew, with a seed that no slide of the embedded default has; the first field that is drawn is shown.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import tsva

sys.path.insert(0, str(Path(__file__).parents[1] / "tutorials"))
from make_stacks import make_stacks

OFFSET_UM = 2.0
SEED = 2024
SCALE_BAR_UM = 20


def main() -> None:
    """Draw."""
    checkpoint, out = sys.argv[1:]
    stack = make_stacks("picture", "glandular", seed=SEED, edge_px=224)[0]
    focus = tsva.find_focus(stack)
    pairs = tsva.make_pairs(stack, focus, offset_max_um=2.0)
    pair = next(pair for pair in pairs if pair.focal_offset_um == OFFSET_UM)
    restored = tsva.refocus(tsva.load_model(checkpoint), pair).images[0]
    truth = stack.planes[focus.plane]
    panels = {"first shot": pair.low, "second shot": pair.high, "restored from the two": restored}
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.35), layout="constrained")
    for panel, (title, image) in zip(axes, panels.items(), strict=False):
        show(panel, image, f"{title}: {tsva.score(image, truth).psnr_db[0]:.1f} dB")
    show(axes[3], truth, "in-focus plane")
    length_px = SCALE_BAR_UM / stack.pixel_um
    axes[3].plot([12, 12 + length_px], [212, 212], color="black", linewidth=3)
    axes[3].text(
        12, 205, f"{SCALE_BAR_UM} µm", fontsize=9, bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    )
    figure.savefig(out, dpi=100, pil_kwargs={"quality": 90})


def show(panel: Axes, image: np.ndarray, title: str) -> None:
    """An image without axes."""
    panel.imshow(image, interpolation="lanczos")
    panel.set_title(title, fontsize=11)
    panel.set_axis_off()


if __name__ == "__main__":
    main()
