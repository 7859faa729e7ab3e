"""Datasets, held in memory or streamed from disk, and batches of their pictures."""
