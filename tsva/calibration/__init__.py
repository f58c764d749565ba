"""What full z-stacks tell of a microscope: optics, noise, section, focal spread, best δ, and a network made its own."""
