"""`python -m trustlib` is the command `trustlib`."""

import sys

from trustlib.cli import main

if __name__ == "__main__":
    sys.exit(main())
