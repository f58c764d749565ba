"""Stacks, their in-focus planes and pairs of shots: what is computed from pixels alone, without files."""
