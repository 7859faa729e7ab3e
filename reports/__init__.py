"""Tracking of trials in MLflow, and the reports that compare them."""

import logging
import os

# MLflow reads these on import. With few retries, an absent server is noticed within seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# It warns where the home cannot be written to, and goes on with a temporary directory.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
