"""Making of a new tracking store: a SQLite file."""

import os
import tempfile
from pathlib import Path

from reports.experiments import ARTIFACTS


def is_plain_uri(uri: str) -> bool:
    """Whether a URI, or a path in one, has none of the characters that stand for something else."""
    return not set("%?") & set(uri)


def file_of(uri: str) -> Path | None:
    """Return the file of a SQLite store; None for another store."""
    is_file = uri.startswith("sqlite:///") and is_plain_uri(uri)
    return Path(uri.removeprefix("sqlite:///")) if is_file else None


def make_store(file: Path) -> None:
    """Make an empty store in one move: MLflow's migrations suffer no second process, and no kill.

    MLflow itself would write the location of its default artifacts into SQL, and stumble over
    quotes. If another process makes the store meanwhile, that one stays.

    Raises:
        OSError: the directory cannot be written to.
        SQLAlchemyError: SQLite fails.
    """
    # This import takes seconds, and only a new store needs it.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=file.parent) as directory:
        made = Path(directory) / file.name
        artifacts = file.absolute().with_name(ARTIFACTS).as_uri()
        store = SqlAlchemyStore(f"sqlite:///{made}", artifacts)  # type: ignore[no-untyped-call]
        store.engine.dispose()
        try:
            os.link(made, file)
        except OSError:
            if not file.exists():
                made.replace(file)  # on a file system without hard links
