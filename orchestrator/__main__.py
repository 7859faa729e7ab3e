"""Entry point: the command line, for which an early Ctrl-C is no traceback either."""

import atexit
import gc
import sys


def main() -> None:
    """Run the command line."""
    # The hundreds of thousands of objects of MLflow's and Ray's modules are no garbage: looking
    # through them again and again takes 0.3 s while they are imported, and 0.7 s at the end.
    gc.set_threshold(10_000)
    atexit.register(_keep_modules)
    try:
        from orchestrator.cli import main as command  # takes half a second
    except KeyboardInterrupt:
        sys.exit("\nAborted!")  # as click says later
    command()


def _keep_modules() -> None:
    if "triton" not in sys.modules:  # it would complain that its objects are still there
        gc.freeze()


if __name__ == "__main__":
    main()
