"""Readers of what microscopes write; nothing else opens a user's image."""
