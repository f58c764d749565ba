"""Readers of what microscopes write: stacks, slides and images in the vendors' formats."""
