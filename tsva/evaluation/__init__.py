"""Scores, cell counts and statistics: how far a method's results may be trusted."""
