import sys
from pathlib import Path

# Test folders are no packages, so the oracle and the case generator are found through the path.
sys.path.insert(0, str(Path(__file__).parent))
