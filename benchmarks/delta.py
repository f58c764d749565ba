"""Which distance of the two shots to scan with: restoration against δ on digital tissue.

    python benchmarks/delta.py [--sd-um 1.0] [--na 0.75] [--seed 1] [--figure docs/pictures/delta.svg]

Prints one JSON object: by δ (half the distance of the shots), mean PSNR against the noise-free in-focus plane, averaged
over n ~ N(0, sd): the sharper shot as captured, Wiener restoration of it (told n), of both shots (told n), and of both
at an offset that their spectra say; and one shot at F, as captured and restored (told n). The best δ of each with its
95 % interval (bootstrap over specimens), and what the second shot's pixels add to choosing the sharper one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from tsva.baselines.sharper import y1_of
from tsva.baselines.spectra import Signal
from tsva.baselines.wiener import wiener_blind, wiener_one_shot, wiener_two_shot
from tsva.metrics import eight_bits, psnr_db
from tsva.offsets import bin_weights
from tsva.pair import Pair
from tsva.settings.baselines import BaselineSettings
from tsva.settings.optics import OpticsSettings
from tsva.settings.pairs import PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import SimulateSettings
from tsva.simulate import SimulatedField, simulate_slide
from tsva.spectrum import signal_table

STEP_UM = 0.25
DELTAS_UM = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
KINDS = ("glandular", "epithelial", "stromal", "fatty", "lymphoid", "muscle")
SETTINGS = BaselineSettings()
NAMES = {
    "sharper_shot": "sharper shot as captured",
    "wiener_one_shot": "Wiener on it (told n)",
    "wiener_two_shot": "Wiener, two shots (told n)",
    "wiener_blind": "Wiener, two shots (n estimated)",
}
DRAWS = 2000


def fields(optics: OpticsSettings, seed: int, prefix: str) -> list[SimulatedField]:
    """One field of each kind of tissue, planes a quarter of a micrometre apart."""
    settings = SimulateSettings(
        field_px=(224, 224), fields={"train": 1}, z_first_um=-8, z_last_um=8, draws=0, clean_within_um=0.5
    )
    pairs = PairsSettings(z_step_um=STEP_UM)
    rows = [
        SlideRow(slide=f"{prefix}{kind}", patient=kind, sample=kind, role="train", source="simulated", tissue=kind)
        for kind in KINDS
    ]
    return [field for row in rows for field in simulate_slide(row, settings, pairs, optics, seed=seed)]


def scores(field: SimulatedField, offsets_um: np.ndarray, signal: Signal, optics: OpticsSettings) -> pd.DataFrame:
    """PSNR by δ and n; δ = 0 is one shot at F."""
    z_um = field.stack.z_um
    focus_um = field.focus_z_um
    target = field.clean.planes[np.argmin(np.abs(field.clean.z_um - focus_um))][None]
    middle = int(np.argmin(np.abs(z_um - focus_um)))

    def psnr(image: np.ndarray) -> float:
        return float(psnr_db(eight_bits(image)[None], target)[0])

    rows = []
    for steps in np.rint(offsets_um / STEP_UM).astype(int):
        n_um = float(z_um[middle + steps] - focus_um)  # where the plane truly lies: between the steps
        single = field.stack.planes[middle + steps]
        alone = Pair(single, single, 0.0, optics, n_um)
        restored = psnr(wiener_one_shot(alone, signal, SETTINGS).image)
        captured = psnr(single / 255)
        rows.append({"delta_um": 0.0, "n_um": steps * STEP_UM, "sharper_shot": captured, "wiener_one_shot": restored})
        for delta_um in DELTAS_UM:
            reach = round(delta_um / STEP_UM)
            shots = (field.stack.planes[middle + steps + side * reach] for side in (-1, 1))
            pair = Pair(*shots, delta_um, optics, n_um)
            rows.append({
                "delta_um": delta_um, "n_um": steps * STEP_UM, "sharper_shot": psnr(y1_of(pair)),
                "wiener_one_shot": psnr(wiener_one_shot(pair, signal, SETTINGS).image),
                "wiener_two_shot": psnr(wiener_two_shot(pair, signal, SETTINGS).image),
                "wiener_blind": psnr(wiener_blind(pair, signal, SETTINGS).image),
            })  # fmt: skip
    return pd.DataFrame(rows)


def averages(table: pd.DataFrame, offsets_um: np.ndarray, sd_um: float) -> pd.DataFrame:
    """Mean over n ~ N(0, sd), by δ."""
    weights = dict(zip(offsets_um.tolist(), bin_weights(offsets_um, sd_um, 2 * STEP_UM).tolist(), strict=True))
    weighted = table.drop(columns=["n_um", "delta_um"]).mul(table["n_um"].map(weights), axis=0)
    return weighted.assign(delta_um=table["delta_um"]).groupby("delta_um").sum(min_count=1)


def best(each: list[pd.DataFrame], column: str, seed: int) -> dict[str, float]:
    """δ of the highest mean, by a parabola through its neighbours, with its interval over specimens."""
    curves = np.stack([one.loc[list(DELTAS_UM), column].to_numpy() for one in each])
    random = np.random.default_rng(seed)
    draws = [_peak(curves[random.integers(len(curves), size=len(curves))].mean(axis=0)) for _ in range(DRAWS)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"delta_um": round(_peak(curves.mean(axis=0)), 2), "low_um": round(low, 2), "high_um": round(high, 2)}


def _peak(curve: np.ndarray) -> float:
    place = int(np.argmax(curve))
    if place in (0, len(curve) - 1):
        return DELTAS_UM[place]
    left, middle, right = curve[place - 1 : place + 2]
    return float(DELTAS_UM[place] + STEP_UM * 0.5 * (left - right) / (left - 2 * middle + right))


def draw(table: pd.DataFrame, path: Path, title: str) -> None:
    """The curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for (column, name), marker in zip(NAMES.items(), "xos^", strict=True):
        axes.plot(table.index[1:], table[column].to_numpy()[1:], marker=marker, label=name)
    for column, style in (("sharper_shot", ":"), ("wiener_one_shot", "--")):
        what = "one shot at F, as captured" if column == "sharper_shot" else "one shot at F, Wiener (told n)"
        axes.axhline(table[column].iloc[0], color="0.4", linestyle=style, label=what)
    axes.set(xlabel="δ: half the distance of the shots (µm)", ylabel="PSNR (dB)", title=title)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(path)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sd-um", type=float, default=1.0)
    parser.add_argument("--na", type=float, default=0.75)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    optics = OpticsSettings(na=asked.na)
    offsets_um = np.arange(-3, 3.01, 2 * STEP_UM)
    training = fields(optics, asked.seed, "train-")
    sharp = [f.stack.planes[[int(np.argmin(np.abs(f.stack.z_um - f.focus_z_um)))]] for f in training]
    signal = Signal.of_table(signal_table(sharp, optics.pixel_um))
    each = [
        averages(scores(field, offsets_um, signal, optics), offsets_um, asked.sd_um)
        for field in fields(optics, asked.seed, "test-")
    ]
    mean = sum(each[1:], each[0]) / len(each)
    gain = mean["wiener_two_shot"] - mean["wiener_one_shot"]
    print(json.dumps({
        "na": asked.na, "offset_sd_um": asked.sd_um, "specimens": len(each),
        "psnr_db": {f"{delta:g}": row.dropna().round(2).to_dict() for delta, row in mean.iterrows()},
        "best": {name: best(each, name, asked.seed) for name in NAMES},
        "second_shots_pixels_add_db": {f"{delta:g}": round(value, 2) for delta, value in gain.dropna().items()},
    }, indent=1))  # fmt: skip
    if asked.figure:
        draw(mean, asked.figure, f"NA {asked.na:g}, n ~ N(0, {asked.sd_um:g} µm)")


if __name__ == "__main__":
    main()
