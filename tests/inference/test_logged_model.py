"""A model that is logged: in a process without this package, by pyfunc, by plain Keras, and served."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from sweeping import environment

from fnmask.cli import main
from fnmask.data.mask_files import read_values

pytestmark = pytest.mark.slow

RULE = "road>0.8"

LOAD = """
import json, sys
sys.modules["fnmask"] = None  # importing it is an error from here on
import mlflow, numpy as np, keras
mlflow.set_tracking_uri(sys.argv[1])
images = np.load("images.npy")
model = mlflow.pyfunc.load_model(sys.argv[2])
info = mlflow.models.get_model_info(sys.argv[2])
folder = mlflow.artifacts.download_artifacts(sys.argv[2])
from pathlib import Path
plain = keras.saving.load_model(next(Path(folder).rglob("*.keras")), compile=False)
np.savez("found.npz", served=model.predict(images), plain=plain.predict_on_batch(images.astype("float32")).argmax(-1))
print(json.dumps({"inputs": json.loads(info.signature.inputs.to_json()), "metadata": info.metadata,
                  "outputs": json.loads(info.signature.outputs.to_json()),
                  "example": bool(info.saved_input_example_info)}))
"""


def free_port():
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


def ask(port, images, process):
    """The answer of a server, once it is there."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps({"inputs": images.tolist()}).encode(),
        {"Content-Type": "application/json"},
    )
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        with suppress(OSError), urllib.request.urlopen(request, timeout=60) as answer:
            return np.array(json.loads(answer.read())["predictions"])
        time.sleep(0.5)
    raise TimeoutError("no answer")


def test_a_logged_model_is_complete_without_this_package(project, tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.chdir(project.root)
    picture, _ = project.config("loss=plain").source.load("val", 1)
    Image.fromarray(picture).save("one.png")
    np.save("images.npy", picture[None])
    words = ["export", "--run", project.ids["plain0"], "--decision", RULE, "--format", "mlflow", "--register", "town"]
    before = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")}
    assert main(words) == 0
    # An address left behind would win over the database of every project that this process opens later.
    assert {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_")} == before
    told = capsys.readouterr().out
    uri = re.search(r"logged model: (models:/m-\w+), registered as town", told).group(1)
    assert f"mlflow models serve -m {uri} --env-manager local" in told
    assert main(["predict", "--run", project.ids["plain0"], "--decision", RULE, "one.png", "-o", "out"]) == 0
    mask = read_values(project.root / "out" / "masks" / "one.png")[0]

    database = f"sqlite:///{project.root / 'mlflow.db'}"
    client = project.store._client
    logged = client.get_logged_model(uri.removeprefix("models:/"))
    assert logged.tags["fnmask.decision"] == RULE
    assert logged.tags["fnmask.classes"] == "land,building,road,vegetation,water"
    (recorded,) = re.findall(r"moved threshold, seed 0: run (\w+)", told)
    assert logged.source_run_id == recorded
    run = client.get_run(recorded)
    assert logged.experiment_id == run.info.experiment_id
    assert "/mlruns/fnmask/" in logged.artifact_location, "beside its run, wherever the database was made"
    assert str(logged.status) == "READY"
    assert logged.params == run.data.params
    (version,) = client.search_model_versions("name = 'town'")
    assert version.run_id == recorded

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, database, uri],
        cwd=project.root, env=environment(PYTHONPATH=""), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout.splitlines()[-1])
    assert info["inputs"][0]["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 48, 48, 3]}
    assert info["outputs"][0]["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 48, 48]}
    assert info["example"]
    assert info["metadata"]["classes"] == ["land", "building", "road", "vegetation", "water"]
    assert info["metadata"]["decision"] == RULE
    with np.load(project.root / "found.npz") as found:
        np.testing.assert_array_equal(found["served"][0], mask)
        np.testing.assert_array_equal(found["plain"][0], mask)

    port = free_port()
    # The server is started by a shell that looks for it among the programs, as in an environment that is activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (project.root / "serve.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/town/1", "--env-manager", "local",
             "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            cwd=tmp_path, env=environment(MLFLOW_TRACKING_URI=database, PYTHONPATH="", PATH=path), stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            answered = ask(port, picture[None], server)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=30)
    np.testing.assert_array_equal(answered[0], mask)
