"""Digital tissue: stained sections with known nuclei."""

from tsva.simulation.phantom.tissue import KINDS, STAINS, Stain, tissue

__all__ = ["KINDS", "STAINS", "Stain", "tissue"]
