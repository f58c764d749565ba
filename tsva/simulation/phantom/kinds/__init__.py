"""Kinds of tissue: each module draws one on a canvas."""
