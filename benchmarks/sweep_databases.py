"""Databases for the measurements of sweeps: SQLite files, and those of a PostgreSQL server that is started for them."""

import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

KINDS = ("SQLite", "PostgreSQL")
_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Databases:
    """Addresses of new databases.

    Attributes:
        folder: of the SQLite files and of everything else that a measurement leaves.
        server: a running PostgreSQL of `tests/postgres.py`, or None.
    """

    folder: Path
    server: Any

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those that can be measured here."""
        return KINDS if self.server is not None else KINDS[:1]

    def storage(self, kind: str, name: str) -> str:
        """Address of an Optuna storage; the same name always gives the same one."""
        return self._address(kind, f"optuna_{name}".lower())

    def tracking(self, kind: str, name: str) -> str:
        """Address of a store of MLflow's."""
        return self._address(kind, f"mlflow_{name}".lower())

    def _address(self, kind: str, name: str) -> str:
        return f"sqlite:///{self.folder / name}.db" if kind == "SQLite" else str(self.server.url(name))


@contextmanager
def opened(folder: Path, *, with_postgres: bool) -> Iterator[Databases]:
    """Databases in a folder, and a PostgreSQL server while the block runs, where its packages are installed."""
    module = _postgres()
    with ExitStack() as servers:
        server = None
        if with_postgres and not module.missing_packages():
            server = servers.enter_context(module.running_postgres(folder / "postgres"))
        yield Databases(folder, server)


def _postgres() -> ModuleType:
    """`tests/postgres.py`, which no package holds."""
    spec = importlib.util.spec_from_file_location("postgres_for_benchmarks", _ROOT / "tests" / "postgres.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
