"""Trials that live in an object store: S3, Google Cloud Storage."""
