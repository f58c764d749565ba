"""Whether this machine can run the workflow: facts are gathered in `machine` and `slurm`, and judged by pure checks."""
