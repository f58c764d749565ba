"""Digital tissue with known nuclei, and stacks of it as a microscope would take them."""
