"""The signal's spectrum, of images whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tsva.acquisition.spectrum import COLUMNS, signal_table
from tsva.cli.spectrum import command
from tsva.errors import UserError
from tsva.restoration.baselines.plane import Signal
from tsva.stage_files import read_table, write_table

PIXEL_UM = 0.345


def images(slope: float, noise_sd: float, count: int = 12, size: int = 128) -> np.ndarray:
    """(N, Y, X, 3) uint8: power 2e-5 f^-slope (f in cycles per pixel), and white noise."""
    random = np.random.default_rng(0)
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    white = np.fft.rfft2(random.normal(size=(count, 3, size, size)))
    spectrum = white * np.sqrt(2e-5 * np.maximum(radius, 0.5 / size) ** -slope)
    spectrum[..., 0, 0] = 0
    image = 0.5 + np.fft.irfft2(spectrum, s=(size, size)) + noise_sd * random.normal(size=(count, 3, size, size))
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def test_a_power_law_is_found_under_its_noise() -> None:
    table = signal_table([images(1.8, 0.01)], PIXEL_UM)
    assert tuple(table) == COLUMNS
    frequency = table["frequency_per_um"].to_numpy() * PIXEL_UM
    inside = (frequency > 0.04) & (frequency < 0.3)
    for colour in ("red", "green", "blue"):
        ratio = table[f"power_{colour}"].to_numpy() / (2e-5 * frequency**-1.8)
        # rings hold some 12 × 20 frequencies and more; what the law has in the corners is taken off as noise
        assert np.abs(np.log(ratio[inside])).max() < 0.35
    # what is read in the corners: the noise, rounding to 8 bits, and what the law still has there
    corner = 2e-5 * 0.67**-1.8
    assert table["noise_red"].iloc[0] == pytest.approx(1e-4 + 1 / 12 / 255**2 + corner, rel=0.15)


def test_noise_alone_has_hardly_any_signal() -> None:
    random = np.random.default_rng(0)
    noise = np.rint(128 + 4 * random.normal(size=(6, 96, 96, 1))).astype(np.uint8)
    table = signal_table([noise], PIXEL_UM)
    assert table["noise_green"].iloc[0] == pytest.approx((16 + 1 / 12) / 255**2, rel=0.1)
    high = table["frequency_per_um"] > 0.5
    assert (table.loc[high, "power_green"] < 0.5 * table["noise_green"].iloc[0]).all()
    assert (table["power_green"] > 0).all() and table["power_red"].equals(table["power_blue"])


def test_nothing_is_no_spectrum() -> None:
    with pytest.raises(ValueError, match="no patches"):
        signal_table([], PIXEL_UM)


def test_the_command_averages_the_middle_planes(tmp_path) -> None:
    stack = np.stack([images(1.8, 0.0, count=3)[:, :64, :64], images(2.5, 0.02, count=3)[:, :64, :64]], axis=1)
    stack = np.concatenate([stack[:, :1] * 0, stack[:, :1], stack[:, 1:]], axis=1)  # (patch, 3 planes, …)
    (tmp_path / "pairs").mkdir()
    np.save(tmp_path / "pairs/p.npy", stack)
    rows = {"array": ["pairs/p.npy"] * 3, "pixel_um": PIXEL_UM, "index": range(3), "has_clean": 0}
    rows["target_offset_um"] = 0.1
    write_table(tmp_path / "t.tsv", pd.DataFrame(rows))
    arguments = ["--table", tmp_path / "t.tsv", "--results", tmp_path, "--out", tmp_path / "out/signal.tsv"]
    arguments += ["--z-step-um", 0.5, "--shots", tmp_path / "out/shots.npz"]
    CliRunner().invoke(command, [str(word) for word in arguments], catch_exceptions=False)
    # sums of float32 in another order
    found = read_table(tmp_path / "out/signal.tsv")
    pd.testing.assert_frame_equal(found, signal_table([stack[:, 1]], PIXEL_UM), rtol=1e-3, check_dtype=False)
    signal = Signal.of_table(found)
    np.testing.assert_allclose(signal.at(signal.frequency_per_um), signal.power, rtol=1e-9)
    write_table(tmp_path / "t.tsv", pd.DataFrame({"array": [], "pixel_um": []}))
    with pytest.raises(UserError, match="no patches"):
        CliRunner().invoke(command, [str(word) for word in arguments], catch_exceptions=False, standalone_mode=False)
