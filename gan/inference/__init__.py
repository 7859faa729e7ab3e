"""Inference: trained generators applied to pictures of any size."""
