"""A midge to talk to: ``midge serve`` as a user starts it, on a free port of loopback, with a data directory of its own.

``midge`` is shared by a test module; ``start_midge`` starts further ones, for tests that stop, kill or configure theirs.
"""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from functional.server import ROLE, Midge, make_zip


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test shows what its server had to say."""
    report = yield
    server = getattr(item, "funcargs", {}).get("midge")
    if report.failed and isinstance(server, Midge):
        report.sections.append(("midge's log", server.log()[-8_000:]))
    return report


@pytest.fixture(scope="module")
def start_midge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Midge]]:
    """Starts servers: ``start_midge(data_dir=..., MIDGE_LIMITS_INIT_SECONDS="1")``; all are stopped after the module."""
    servers: list[Midge] = []

    def start(data_dir: Path | None = None, options: Sequence[str] = (), **variables: str) -> Midge:
        base = tmp_path_factory.mktemp("midge")
        server = Midge(data_dir or base / "data", base / "midge.log", variables, options)
        servers.append(server)
        return server

    yield start
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)


@pytest.fixture(scope="module")
def midge(start_midge: Callable[..., Midge]) -> Midge:
    """One server for the tests of a module."""
    return start_midge()


@pytest.fixture
def deploy(midge: Midge) -> Iterator[Callable[..., str]]:
    """Creates functions that are gone after the test: ``deploy("name", {"app.py": ...}, Timeout=5)`` returns the name."""
    client = midge.client()
    created: list[str] = []

    def create(name: str, files: Mapping[str, str | bytes], **settings: Any) -> str:
        request = {"Runtime": "python3.11", "Handler": "app.handler", "Role": ROLE, **settings}
        client.create_function(FunctionName=name, Code={"ZipFile": make_zip(files)}, **request)
        created.append(name)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        return name

    yield create
    for name in created:
        client.delete_function(FunctionName=name)
