"""A trained generator at work: picture files through it, and its export."""
