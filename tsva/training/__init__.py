"""Fitting networks: to training pairs, and to one microscope as its full z-stacks show it (calibration)."""
