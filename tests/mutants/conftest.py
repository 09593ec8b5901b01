import sys
from pathlib import Path

# Not a package: `python tests/mutants` runs it, which puts this folder on the path.
sys.path.insert(0, str(Path(__file__).parent))
