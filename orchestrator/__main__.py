"""Entry point: the command line, for which an early Ctrl-C is no traceback either."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from orchestrator.cli import main as command  # takes half a second
    except KeyboardInterrupt:
        sys.exit("\nAborted!")  # as click says later
    command()


if __name__ == "__main__":
    main()
