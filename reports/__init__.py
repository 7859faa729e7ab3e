"""Tracking of trials in MLflow, and the reports that compare them."""
