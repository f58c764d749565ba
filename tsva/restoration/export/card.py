"""The model card: what a network was made for, how well it does, and what it can't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsva.restoration.checkpoint import Checkpoint
from tsva.restoration.export.onnx import Parity

WHAT = {
    "tsva": "contracting paths with shared weights for both shots, output added to the sharper shot",
    "unet": "plain U-Net on the sharper shot alone",
    "unet_residual": "U-Net on the sharper shot alone, output added to it",
    "fusion": "Wiener restoration at an offset of its own finding, corrected by a small residual network",
    "fusion_one_shot": "the same on the sharper shot alone",
    "denoiser": "the sharper shot less its noise; it refocuses nothing",
    "burst": "Burst U-Net: both shots as an unordered set",
}

NOTHING_ELSE = """\
- `model.onnx` has no way to say that it failed: blurred detail may come out sharp and wrong. It is no medical
  device."""
EXPECTED_ERROR = """\
- Blurred detail may come out sharp and wrong. `expected_error` and the standard deviation of `offset_um` grow where the
  network expects a large error. An offset beyond the range above says that nothing like it was trained. They are
  estimates, too. It is no medical device."""
ALL_RETURNED = """`restored` likewise,
not clipped; `expected_error` (batch, 1, height, width), the root mean square error that each pixel has to expect; and
`offset_um` (batch, 2), how far F missed the focus and the standard deviation of that."""


def write_card(
    checkpoint: Checkpoint,
    parities: Sequence[Parity],
    halo_px: int,
    summary: Mapping[str, Any] | None,
    image_px: int | None = None,
    outputs: Sequence[str] = ("restored",),
) -> str:
    """Markdown.

    Parameters
    ----------
    checkpoint : Checkpoint
    parities : sequence of Parity
        Of the ONNX file.
    halo_px : int
        How far the network sees.
    summary : mapping, optional
        The report's ``summary.json``.
    image_px : int, optional
        Edge of the only images that the ONNX file takes; by default it takes all.
    outputs : sequence of str
        Of the ONNX file.
    """
    optics, c = checkpoint.optics, checkpoint
    size = f"of {image_px}×{image_px} pixels" if image_px else "of any size"
    silent, returned = (
        (NOTHING_ELSE, "`restored`\nlikewise, not clipped.") if len(outputs) == 1 else (EXPECTED_ERROR, ALL_RETURNED)
    )
    colours = "colour (RGB)" if c.channels == 3 else "grey"
    text = f"""# {c.network}: two-shot virtual autofocusing

Takes two {colours} shots of one place on a slide, {2 * c.delta_um:g} µm apart along the optical axis, and returns the
image in focus. Network: {WHAT.get(c.network, c.network)};
{c.settings["width"]} channels at the finest of {c.settings["levels"]} levels.

## Made for

| | |
|---|---|
| Numerical aperture | {optics["na"]:g} |
| Refractive index of the immersion | {optics["refractive_index"]:g} |
| Wavelengths (R, G, B) | {", ".join(f"{1000 * w:g}" for w in optics["wavelengths_um"])} nm |
| Pixel size in the specimen | {c.pixel_um:g} µm |
| Shots at | F − {c.delta_um:g} µm (`low`) and F + {c.delta_um:g} µm (`high`), F being the nominal focus |
| F may miss the true focus by | −{c.offset_max_um:g} to +{c.offset_max_um:g} µm |
| Training data | SHA-256 `{c.data}`, recipe `{c.settings.get("recipe", "")}`, seed {c.seed}, step {c.step} |

## Validation

{_scores(checkpoint, summary)}

## Limits

- Other pixel sizes, apertures, stains or distances of the shots are not what it has learnt: blur is learnt in pixels.
  Resample images first, and look at known fields before you trust others.
- Beyond ±{c.offset_max_um:g} µm nothing was trained and nothing was scored.
{silent}
- Which shot is the sharper is decided for the image handed over, where the network asks for it. Cut large images into
  tiles that overlap by {halo_px} pixels, as it sees so far, and crop the overlap.

## Files

`model.onnx` takes `low` and `high`, float32 in [0, 1], (batch, channel, height, width) {size}, and returns {returned}
`weights.pt` is the state dictionary for this project's own network class. `rdf.yaml`
describes both for programs that read the BioImage Model Zoo's packages; there, images are 0 to 255.

Largest difference between ONNX Runtime and torch on random pairs, of images in [0, 1] (offsets: µm); distance of ONNX
Runtime's result from the same network in float64, and how much was allowed:

| shape | output | difference | from exact | allowed |
|---|---|---|---|---|
"""
    rows = (
        f"| {'×'.join(map(str, p.shape))} | {p.output} | {p.difference:.1e} | {p.error:.1e} | {p.tolerance:.1e} |"
        for p in parities
    )
    return text + "\n".join(rows) + "\n"


def _scores(checkpoint: Checkpoint, summary: Mapping[str, Any] | None) -> str:
    """A row a data set, protocol and target: the network beside doing nothing."""
    if summary is None:
        return "No report was given when this was exported."
    averages = [row for row in summary["scores"] if row["sample"] is None and row["focal_offset_um"] is None]
    y1 = {_key(row): row for row in averages if row["method"] == "y1"}
    lines = [
        "Averages over the offsets, of the run that trained it; intervals are over slides.",
        "",
        "| data set | protocol | target | patches | slides | PSNR (dB) | interval | sharper shot as captured (dB) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in averages:
        if row["method"] == checkpoint.network:
            interval = f"{_number(row['psnr_low_db'])} to {_number(row['psnr_high_db'])}"
            captured = _number(y1[_key(row)]["psnr_db"]) if _key(row) in y1 else "–"
            cells = [row["dataset"], row["protocol"], row["target"], row["patches"], row["slides"]]
            lines.append(f"| {' | '.join(map(str, cells))} | {_number(row['psnr_db'])} | {interval} | {captured} |")
    return "\n".join(lines)


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["dataset"], row["protocol"], row["target"]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
