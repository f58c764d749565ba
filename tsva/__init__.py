"""Two-shot virtual autofocusing: two out-of-focus shots per tile into in-focus slides."""

import importlib
import os

# OpenMP's threads sleep while they wait. Spinning threads make a step five times as long beside another busy process.
# OpenMP reads this when its library is loaded, so it must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Loaded when they are first used, by names that the fingerprints of stages do not follow. Their types: __init__.pyi.
_PLACES = {
    "Calibration": "tsva.training.calibration.calibrate",
    "Field": "tsva.api",
    "Focus": "tsva.api",
    "Model": "tsva.api",
    "Scores": "tsva.api",
    "calibrate": "tsva.training.calibration.calibrate",
    "find_focus": "tsva.api",
    "load_model": "tsva.api",
    "make_pairs": "tsva.api",
    "open_fields": "tsva.api",
    "open_stack": "tsva.api",
    "refocus": "tsva.api",
    "refocus_slide": "tsva.slides.slide_results",
    "score": "tsva.api",
    "Pair": "tsva.acquisition.pair",
    "Restoration": "tsva.restoration.contract",
    "Stack": "tsva.acquisition.stack",
    "UserError": "tsva.errors",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> object:  # PEP 562
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
