"""Driver: what runs where the user typed."""
