"""Every option in conf/backbone names a builder and arguments that it takes."""

import inspect
import typing
from pathlib import Path

import pydantic
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_method

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = sorted(path.stem for path in (CONF / "backbone").glob("*.yaml"))


def _compose(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(overrides=list(overrides)).backbone


@pytest.mark.parametrize("option", OPTIONS)
def test_binds_to_its_builder(option):
    backbone = dict(_compose(f"+backbone={option}"))
    builder = get_method(backbone.pop("_target_"))
    for name, hint in typing.get_type_hints(builder, include_extras=True).items():
        if name in backbone:
            pydantic.TypeAdapter(hint).validate_python(backbone[name], strict=True)
    bound = inspect.signature(builder).bind(num_classes=3, input_size=(64, 64), **backbone)
    # No second default: whatever the caller does not pass stands in the file.
    assert set(bound.arguments) == set(inspect.signature(builder).parameters)


@pytest.mark.parametrize("option", [name for name in OPTIONS if name.startswith("unet_")])
def test_name_says_the_encoder(option):
    backbone = _compose(f"+backbone={option}")
    assert (backbone.decoder, backbone.encoder) == tuple(option.split("_"))


def test_hints_refuse_what_the_builder_refuses():
    hints = typing.get_type_hints(get_method("fnmask.models.segmentation.segmentation_model"), include_extras=True)
    for name, value in {"num_classes": 1, "decoder": "segnet", "encoder": "resnet19", "freeze": "maybe"}.items():
        with pytest.raises(pydantic.ValidationError):
            pydantic.TypeAdapter(hints[name]).validate_python(value)


def test_encoder_is_overridable():
    assert _compose("+backbone=fpn", "backbone.encoder=resnet34").encoder == "resnet34"
