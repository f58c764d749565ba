"""Trained networks for other programs: ONNX, and a package as the BioImage Model Zoo has them."""
