"""Digital tissue: stained sections with known nuclei."""

from tsva.phantom.stains import STAINS, Stain
from tsva.phantom.tissue import KINDS, tissue

__all__ = ["KINDS", "STAINS", "Stain", "tissue"]
