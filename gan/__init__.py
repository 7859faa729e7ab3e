"""Training engine: colorization GANs whose outputs meet targets for colour statistics.

Independent of Ray, MLflow, click and YAML; runs wherever torch and kornia run.
"""
