"""`python -m fnmask`: the same as the `fnmask` command."""

import sys

from fnmask.cli import main

if __name__ == "__main__":
    sys.exit(main())
