"""From two shots to the in-focus image: networks and methods without training under one contract."""
