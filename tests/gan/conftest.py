import pytest


@pytest.fixture(scope="module", autouse=True)
def quick(quick_evaluations: None) -> None:
    """Evaluate without KID."""
