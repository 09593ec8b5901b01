"""Re-makes what `tests/compare/test_golden.py` expects: see there."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden.content import page_content, save
from golden.store import HERE, dump, rebuild

from fnmask.tracking.mlflow_store import MlflowStore


def main(words: list[str]) -> None:
    """`expected` writes the expected pages anew, `dump ROOT` the sweep itself."""
    if words[:1] == ["dump"]:
        dump(Path(words[1]).resolve())
        return
    if words != ["expected"]:
        sys.exit(f"Usage: python tests/golden expected | dump ROOT, not {' '.join(words)!r}")
    with tempfile.TemporaryDirectory() as folder:
        MlflowStore(Path(folder), "elsewhere")
        empty = (Path(folder) / "mlflow.db").read_bytes()
        for name, older in (("expected.json", False), ("expected_older.json", True)):
            root = Path(folder) / name
            root.mkdir()
            rebuild(root, empty, older=older)
            save(page_content(root), HERE / name)


if __name__ == "__main__":
    main(sys.argv[1:])
