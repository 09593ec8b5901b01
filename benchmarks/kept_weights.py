"""What keeping the weights of a network costs a trial: `python -m benchmarks.kept_weights`."""

import tempfile
import time
from pathlib import Path

from fnmask.backend import load_backend


def main() -> None:
    """Print size and time of the file, the best of five, for two networks."""
    load_backend()
    from fnmask.models.segmentation import segmentation_model
    from fnmask.models.tiny import tiny
    from fnmask.tracking.mlflow_store import MlflowStore
    from fnmask.tracking.weights import WEIGHTS, pack_weights

    unet = segmentation_model(num_classes=5, decoder="unet", encoder="mobilenetv2", input_size=(128, 128))
    with tempfile.TemporaryDirectory() as root:
        store = MlflowStore(Path(root), "fnmask")
        run = store.start_run(name="weights", parent_run_id=None, params={}, tags={})
        run.log_artifact("warm", b"")
        for name, model in (("tiny", tiny(num_classes=5)), ("unet_mobilenetv2", unet)):
            took = []
            for _ in range(5):
                begin = time.perf_counter()
                content = pack_weights(model.get_weights())
                run.log_artifact(WEIGHTS, content)
                took.append(time.perf_counter() - begin)
            print(f"{name}: {len(content) / 1e6:.1f} MB, {1000 * min(took):.0f} ms")


if __name__ == "__main__":
    main()
