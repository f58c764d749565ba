"""Digital tissue: stained sections with known nuclei."""

from tsva.simulation.phantom.stains import STAINS, Stain
from tsva.simulation.phantom.tissue import KINDS, tissue

__all__ = ["KINDS", "STAINS", "Stain", "tissue"]
