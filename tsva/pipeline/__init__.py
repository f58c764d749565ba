"""What Snakemake asks: the plan of a run, fingerprints of code and data, downloads, the state of the machine."""
