"""Worker: what runs on the node of a trial."""
