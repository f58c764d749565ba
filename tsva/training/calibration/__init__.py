"""What full z-stacks show of a microscope: optics, noise, section, focal spread, best δ, and a network made its own."""
