"""The training engine: colorization GANs whose output obeys colour statistics.

Knows nothing of Ray, MLflow, click or YAML; runs wherever torch and kornia do.
"""
