"""Data: pictures by name, in memory or streamed, and batches of them."""
