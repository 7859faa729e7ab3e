"""Files of sweeps and trials, on a disk or in an object store."""
