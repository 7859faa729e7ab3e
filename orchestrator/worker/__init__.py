"""Worker: the code that runs on the node of a trial."""
