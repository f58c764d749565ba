"""Whole slides from two focal planes: survey, restoration, and what of it is to be believed."""
