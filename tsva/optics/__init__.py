"""How a microscope makes an image: eqs. 1 to 3 of the paper, and a camera behind them (docs/optics.md)."""
