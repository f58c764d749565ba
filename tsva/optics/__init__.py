"""How a microscope makes an image of a specimen out of focus: point spread and transfer functions, and the camera."""
