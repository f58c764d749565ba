"""Fitting networks: samples, augmentation, loss, checkpoints."""
