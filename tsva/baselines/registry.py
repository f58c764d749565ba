"""Baselines by name: what each is told, and the function that restores a pair."""

from __future__ import annotations
