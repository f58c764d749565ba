"""Nuclei of the cell types, shared by the tissue kinds; sources in docs/phantom.md."""

from __future__ import annotations

from tsva.simulation.phantom.nuclei import Chromatin

LYMPHOCYTE = Chromatin(density=0.9, clumping=0.5, rim=0.2, nucleoli=0.0, irregular=0.07)
"""Small, round, dark, with blocks of chromatin."""
PLASMA = Chromatin(density=0.9, clumping=0.5, coarse=True, rim=0.3, nucleoli=0.0, irregular=0.05)
"""Round, chromatin in a clock face."""
VESICULAR = Chromatin(density=0.56, clumping=0.45, rim=0.6, nucleoli=1.8, irregular=0.09)
"""Large and pale, sharp membrane, nucleoli: centroblasts, intermediate squamous cells."""
COLUMNAR = Chromatin(density=0.76, clumping=0.46, rim=0.35, nucleoli=1.0, irregular=0.09)
"""Oval nuclei of columnar epithelium."""
BASAL = Chromatin(density=0.92, clumping=0.42, rim=0.3, nucleoli=0.5, irregular=0.1)
"""Crowded, dark nuclei of a basal layer."""
PYKNOTIC = Chromatin(density=1.2, clumping=0.2, rim=0.1, nucleoli=0.0, irregular=0.1)
"""Shrunken and structureless: superficial squamous cells."""
FIBROBLAST = Chromatin(density=0.85, clumping=0.45, rim=0.35, nucleoli=0.4, irregular=0.13, variation=0.25)
"""Spindles between collagen fibres."""
FLAT = Chromatin(density=1.05, clumping=0.3, rim=0.2, nucleoli=0.0, irregular=0.12, variation=0.2)
"""Thin, dark: endothelium, adipocytes, muscle periphery."""
