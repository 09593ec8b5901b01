"""Pretrained weights: real files in both HDF5 layouts, and real downloads from a server on this machine."""

import hashlib
import http.server
import socket
import threading

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from fnmask.models.segmentation import segmentation_model
from fnmask.models.weight_files import download_weights


def _build(**arguments):
    return segmentation_model(num_classes=3, decoder="linknet", encoder="mobilenetv2", **arguments)


def _encoder_weights(model):
    network = model.get_layer("network")
    # The last layer of the encoder is out_relu; what follows belongs to the decoder.
    return keras.Model(network.input, network.get_layer("out_relu").output, name="encoder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two weight files of one encoder, as the package's authors (legacy.h5) and Keras 3 (new.weights.h5) write them."""
    keras.utils.set_random_seed(3)
    encoder = _encoder_weights(_build())
    folder = tmp_path_factory.mktemp("weights")
    encoder.save_weights(folder / "new.weights.h5")
    with h5py.File(folder / "legacy.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, encoder)
    np.savez(folder / "expected.npz", *encoder.get_weights())
    return folder


@pytest.fixture
def server(folder):
    """URL of a real HTTP server that serves the weight files."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(folder), **kwargs)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def _check_loaded(model, folder):
    with np.load(folder / "expected.npz") as expected:
        for got, key in zip(_encoder_weights(model).get_weights(), expected.files, strict=True):
            np.testing.assert_array_equal(got, expected[key])


@pytest.mark.parametrize("name", ["legacy.h5", "new.weights.h5"])
def test_loads_a_file(name, folder):
    _check_loaded(_build(encoder_weights=str(folder / name)), folder)


@pytest.mark.parametrize("name", ["legacy.h5", "new.weights.h5"])
def test_refuses_a_file_of_another_encoder(name, folder):
    with pytest.raises(ValueError, match="does not fit encoder resnet18"):
        segmentation_model(num_classes=3, decoder="unet", encoder="resnet18", encoder_weights=str(folder / name))


def test_refuses_a_damaged_file(tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"not a weight file")
    with pytest.raises(ValueError, match="does not fit encoder mobilenetv2"):
        _build(encoder_weights=str(tmp_path / "broken.h5"))


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file.*Allowed are null, 'imagenet', or the path"):
        _build(encoder_weights=str(tmp_path / "nowhere.h5"))


def test_refuses_a_file_of_another_kind(tmp_path):
    (tmp_path / "weights.npz").touch()
    with pytest.raises(ValueError, match=r"end in \.h5 or \.weights\.h5"):
        _build(encoder_weights=str(tmp_path / "weights.npz"))


def test_imagenet_downloads_once_and_loads(server, folder, tmp_path, monkeypatch):
    from keras_applications import mobilenet_v2

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    (folder / name).write_bytes((folder / "legacy.h5").read_bytes())
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", f"{server}/")
    _check_loaded(_build(encoder_weights="imagenet"), folder)
    assert (tmp_path / "models" / name).is_file()
    # The second time the server has it no more.
    (folder / name).unlink()
    _check_loaded(_build(encoder_weights="imagenet"), folder)


def test_says_where_to_put_the_file_when_there_is_no_network(tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{unused.getsockname()[1]}/resnet18.h5"
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        download_weights("resnet18.h5", origin)
    message = str(caught.value)
    assert str(tmp_path / "models" / "resnet18.h5") in message
    assert origin in message
    assert "backbone.encoder_weights" in message


def test_says_so_when_the_server_lacks_the_file(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="404"):
        download_weights("absent.h5", f"{server}/absent.h5")


@pytest.mark.parametrize("argument", ["file_hash", "md5_hash"])
def test_checks_the_hash(argument, server, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    content = (folder / "legacy.h5").read_bytes()
    right = hashlib.md5(content).hexdigest()
    with pytest.raises(FileNotFoundError, match="hash does not match"):
        download_weights("legacy.h5", f"{server}/legacy.h5", **{argument: "0" * 32})
    path = download_weights("legacy.h5", f"{server}/legacy.h5", **{argument: right})
    assert path == str(tmp_path / "models" / "legacy.h5")
