"""Whole slides: two planes in, an in-focus pyramid and a map of where to trust it out."""
