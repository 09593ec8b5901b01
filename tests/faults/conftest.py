"""One PostgreSQL server for all tests here, with a database for each."""

import pytest
from postgres import missing_packages, running_postgres
from sweeping import kill_what_is_left


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    missing = missing_packages()
    if missing:
        pytest.skip(f"PostgreSQL cannot be started without: {', '.join(missing)}")
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(autouse=True)
def clean_up():
    yield
    kill_what_is_left()


@pytest.fixture
def database(server, request):
    """The address of an empty database."""
    return server.url(f"test_{abs(hash(request.node.nodeid)):x}")
