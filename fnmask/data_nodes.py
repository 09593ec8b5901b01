"""The nodes of a config that are about data: a data set, and the noise on its training labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fnmask.binding import ConfigError, bind
from fnmask.data.label_noise import Classes, LabelNoise
from fnmask.data.source import DataSource
from fnmask.schema import DatasetConfig


def build_source(node: Mapping[str, Any]) -> DataSource:
    """The data source of a `dataset` node; cheap, it reads no image."""
    own = {key: value for key, value in node.items() if key not in DatasetConfig.model_fields}
    bound = bind(own, prefix="dataset")
    try:
        source: DataSource = bound()
    except (OSError, ValueError) as error:
        told = f"dataset.root: got {own['root']!r}. " if isinstance(error, OSError) and "root" in own else "dataset: "
        raise ConfigError([f"{told}{error}"]) from error
    return source


def bind_label_noise(node: Mapping[str, Any], source: DataSource) -> LabelNoise:
    """The noise on the training labels; its classes are looked up now, not when the trial begins."""
    noise: LabelNoise = bind(node, prefix="label_noise")()
    try:
        noise.spoil(np.zeros((0, 1, 1), np.uint8), (), Classes(source.class_names, source.ignore_class))
    except ValueError as error:
        raise ConfigError([f"label_noise: {error}"]) from None
    return noise
