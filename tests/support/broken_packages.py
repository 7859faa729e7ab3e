"""Packages that cannot be imported, under names that ours or their dependencies have."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def break_package(directory: Path) -> None:
    directory.mkdir()
    (directory / "__init__.py").write_text("raise RuntimeError('it is broken')")
