"""Digital tissue: stained sections with known nuclei."""

from tsva.simulation.phantom.tissue import KINDS, STAINS, Stain, layered_tissue, tissue

__all__ = ["KINDS", "STAINS", "Stain", "layered_tissue", "tissue"]
