"""Commands, one file each, with their shared options and tables."""
