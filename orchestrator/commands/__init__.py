"""Commands, one file each, and the options and tables that they share."""
