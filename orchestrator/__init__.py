"""Command line, and everything between a sweep file and the training of its trials."""
