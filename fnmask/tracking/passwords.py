"""Database addresses in settings, without their passwords: runs are shown to more people than databases are."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

HIDDEN = "***"


def hide_passwords(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings with `***` for every password in an address; password options are left out.

    Args:
        settings: nested mappings and lists of plain values.

    Example:
        >>> hide_passwords({"study": {"storage": "postgresql://ann:secret@host/trials"}, "seed": 0})
        {'study': {'storage': 'postgresql://ann:***@host/trials'}, 'seed': 0}
    """
    return {key: _hide(value) for key, value in settings.items()}


def _hide(value: Any) -> Any:
    """One setting."""
    if isinstance(value, Mapping):
        return hide_passwords(value)
    if isinstance(value, list | tuple):
        return [_hide(item) for item in value]
    return _hide_in_address(value) if isinstance(value, str) and "://" in value else value


def _hide_in_address(text: str) -> str:
    """An address without its password, be it before the host or among the options behind the question mark."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not to be read as an address, so the password cannot be told from the rest.
        return HIDDEN if "@" in text else text
    secret = [key for key in url.query if "pass" in key.lower()]
    if url.password is None and not secret:
        return text
    return url.difference_update_query(secret).render_as_string(hide_password=True)


def hide_in_text(text: str) -> str:
    """A text of several words with `***` for every password in an address.

    Example:
        >>> hide_in_text("stored in postgresql://ann:secret@host/trials today")
        'stored in postgresql://ann:***@host/trials today'
    """
    return re.sub(r"\S+://\S+", lambda found: _hide_in_address(found[0]), text)
