"""Where an aberrated section looks sharpest."""

from __future__ import annotations

import pytest

from tsva.acquisition.sharpness import brenner
from tsva.optics.imaging import best_focus_um
from tsva.settings.acquisition import OpticsSettings, PairsSettings
from tsva.settings.sheet import SlideRow
from tsva.settings.simulate import MicroscopeSettings, SimulateSettings, TopographySettings
from tsva.simulation.simulate import simulate_slide

OPTICS = OpticsSettings(na=0.8, mountant_index=1.52, condenser_ratio=0.7)


def test_without_aberration_it_is_the_middle_of_the_section() -> None:
    assert best_focus_um(OPTICS, 0.0, 3.5) == 0.0


def test_the_opposite_aberration_mirrors_it() -> None:
    paraxial = OPTICS.model_copy(update={"model": "born_wolf"})  # whose defocus and aberration are even
    assert best_focus_um(paraxial, 0.03, 3.5) == pytest.approx(-best_focus_um(paraxial, -0.03, 3.5), abs=1e-6)


def test_it_moves_by_as_much_in_simulated_sections() -> None:
    still = TopographySettings(field_sd_um=0, tilt_sd_um_per_mm=0, waviness_sd_um=0)
    row = SlideRow(slide="A", patient="P", sample="S", role="train", source="simulated", tissue="glandular")

    def sharpest_um(spherical_um: float) -> tuple[float, float]:
        """By the planes of one section, which may lie a little above or below its middle; and as the truth says."""
        settings = SimulateSettings(
            fields={"train": 1},
            field_px=(224, 224),
            draws=0,
            topography=still,
            section_layers=3,
            microscopes={"m": MicroscopeSettings(spherical_um=spherical_um, z_error_sd_um=0)},
        )
        (field,) = simulate_slide(row, settings, PairsSettings(), OPTICS, seed=3)
        assert field.stack is not None and field.surface_um is not None
        sharpness = brenner(field.stack.planes)
        best = int(sharpness.argmax())
        left, middle, right = sharpness[best - 1 : best + 2]
        found = field.stack.z_um[best] + 0.25 * (left - right) / (left - 2 * middle + right)
        return float(found), float(field.surface_um.mean())

    (level, level_truth), (moved, moved_truth) = sharpest_um(0.0), sharpest_um(-0.03)
    assert moved_truth - level_truth == pytest.approx(best_focus_um(OPTICS, -0.03, 3.5), abs=1e-6)
    assert moved - level == pytest.approx(moved_truth - level_truth, abs=0.1)
    assert moved - level < -0.25
