"""Classes as people write them in a config: by name or by index."""

from collections.abc import Sequence

from fnmask.binding import ConfigError, suggest


def class_index(given: object, class_names: Sequence[str], *, key: str) -> int:
    """Index of a class given by name or index.

    Raises:
        ConfigError: neither a name nor an index of the data set.
    """
    if isinstance(given, str) and given in class_names:
        return class_names.index(given)
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < len(class_names):
        return given
    listed = [f"{name} ({index})" for index, name in enumerate(class_names)]
    fault = f"{key}: got {given!r}, no class of this data set. {suggest(str(given), class_names)}"
    raise ConfigError([fault.partition("Allowed:")[0] + f"Allowed: {', '.join(listed)}."])


def class_indices(given: Sequence[object], class_names: Sequence[str], *, key: str, faults: list[str]) -> list[int]:
    """Indices of the classes that there are; the others become faults."""
    indices = []
    for item in given:
        try:
            indices.append(class_index(item, class_names, key=key))
        except ConfigError as error:
            faults.extend(error.faults)
    return indices
