"""Counting nuclei as ImageJ does: grey, brightness and contrast, threshold, particles."""
