"""Start the command line: the program ``tare`` and ``python -m tare``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code; an interrupt while it is being imported ends it in one line, too."""
    try:
        from tare.bench.__main__ import main as command_line  # noqa: PLC0415 - see above

        return command_line()
    except KeyboardInterrupt:
        print("tare: interrupted", file=sys.stderr)
        return 130  # Exit.INTERRUPTED, which may not be imported yet


if __name__ == "__main__":
    sys.exit(main())
