"""Digital tissue: stained sections with known nuclei."""
