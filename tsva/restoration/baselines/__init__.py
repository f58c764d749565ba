"""What was tried before networks, and what bounds them: each a function of a `Pair` (docs/methods.md)."""
