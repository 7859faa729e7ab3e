"""Trials that choose themselves by the results of others, and that others stop."""
