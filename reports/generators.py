"""Trained generators that can be called on pictures.

from reports.generators import load

colorize = load()     # the generator that comes along; or give a run's id, a directory or a file
rgb = colorize(picture, {"saturation": 0.6})  # see ``gan.inference.colorizer.Colorizer``
"""

import tempfile
from pathlib import Path

from gan.inference.colorizer import Colorizer
from gan.pretrained import PRETRAINED


def load(where: str | Path = PRETRAINED, uri: str | None = None) -> Colorizer:
    """Load a generator that can be called on pictures; by default the one that comes along.

    Args:
        where: a directory or .safetensors file with its config.json next to it, or the id of a
            finished trial's MLflow run.
        uri: URI of the tracking store; default: MLFLOW_TRACKING_URI, or else the store in runs/.

    Raises:
        UserError: there is no such generator.
    """
    if where == PRETRAINED or Path(where).exists():
        return Colorizer.load(where)
    # These import MLflow, which takes seconds.
    from reports.store import default_uri
    from reports.trial_generators import by_run

    with tempfile.TemporaryDirectory() as directory:
        found = by_run(uri or default_uri(Path("runs")), str(where), Path(directory))
        return Colorizer.load(found.generator)
