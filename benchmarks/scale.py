"""The control plane with ten thousand functions of ten versions each, against itself with next to none.

Both servers answer in turn, one request at a time on a kept connection. The store is filled through midge's own port,
as filling it through the API would take longer than it tells.
"""

import asyncio
import contextlib
import http.client
import io
import json
import statistics
import time
import zipfile
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from benchmarks import servers
from benchmarks.report import Row, ratio
from benchmarks.setting import Setting
from midge.blobs.digests import code_of
from midge.blobs.directory import DirectoryBlobs
from midge.model.functions import LATEST, Code, FunctionId, FunctionVersion, Logging
from midge.model.limits import Limits
from midge.store.sqlite import SqliteStore

FUNCTIONS = 10_000
VERSIONS = 10
FEW = 60
"""Functions in the other store: so many that a page of a listing is as full."""
REQUESTS = 100
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=" + "0" * 64
)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return event\n")
    return buffer.getvalue()


def _latest(number: int, code: Code) -> FunctionVersion:
    name = f"function-{number:05}"
    return FunctionVersion(
        function=FunctionId(account="000000000000", region="us-east-1", name=name),
        version=LATEST,
        runtime="python3.11",
        handler="app.handler",
        role="arn:aws:iam::000000000000:role/r",
        code=code,
        logging=Logging(group=f"/aws/lambda/{name}"),
        environment={"STAGE": "production", "TABLE": f"table-{number}"},
        revision_id=f"revision-{number}",
        last_modified="2026-11-23T19:00:00.000+0000",
        state="Active",
    )


async def _fill(data: Path, functions: int) -> None:
    data.mkdir(parents=True)  # noqa: ASYNC240 - nothing else runs
    blobs = await DirectoryBlobs.open(data / "blobs")
    await blobs.put(_zip())
    await blobs.close()
    store, code = await SqliteStore.open(data / "midge.db", Limits()), code_of(_zip())

    async def one(number: int) -> None:
        latest = _latest(number, code)
        await store.create_function(latest)
        for version in range(1, VERSIONS + 1):
            await store.publish_version(replace(latest, published_from=str(version)), latest.revision_id)

    for start in range(0, functions, 200):
        await asyncio.gather(*(one(number) for number in range(start, min(start + 200, functions))))
    await store.close()


class _Client:
    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def milliseconds(self, method: str, path: str, body: bytes = b"") -> float:
        """How long one request takes, which must succeed."""
        since = time.perf_counter()
        self._connection.request(method, f"/2015-03-31/{path}", body, {"Authorization": _AUTHORIZATION})
        answer = self._connection.getresponse()
        text = answer.read()
        spent = time.perf_counter() - since
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return spent * 1000


@contextlib.contextmanager
def _started(setting: Setting, functions: int) -> Generator[tuple[servers.Server, float]]:
    """A server over a store of that size, and the seconds from its start to its first answer."""
    data = setting.directory / f"scale-{functions}"
    if not data.exists():
        asyncio.run(_fill(data, functions))
    since = time.perf_counter()
    with servers.midge(setting.directory, data=data) as server:
        _Client(server.port).milliseconds("GET", "functions?MaxItems=1")
        yield server, time.perf_counter() - since


def scale(setting: Setting) -> list[Row]:
    """Latencies of a large store over those of a small one, and the time to start with it."""
    many = FUNCTIONS // 10 if setting.quick else FUNCTIONS
    calls: dict[str, Callable[[int, int], tuple[str, str, bytes]]] = {
        "list": lambda _turn, _count: ("GET", "functions", b""),
        "get": lambda turn, count: ("GET", f"functions/function-{turn * 37 % count:05}", b""),
        "update": lambda turn, count: (
            "PUT",
            f"functions/function-{turn % count:05}/configuration",
            json.dumps({"Timeout": 3 + turn % 100}).encode(),
        ),
    }
    starts: list[float] = []
    figures: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in calls}
    for turn in setting.turns():
        with _started(setting, many) as (large, seconds), _started(setting, FEW) as (small, _):
            starts.append(seconds)
            clients = (_Client(large.port), many), (_Client(small.port), FEW)
            for name, call in calls.items():
                spent: tuple[list[float], list[float]] = ([], [])
                for number in range(setting.size(REQUESTS)):
                    for of, (client, count) in zip(spent, clients, strict=True):
                        of.append(client.milliseconds(*call(turn * REQUESTS + number, count)))
                        if name == "update":
                            time.sleep(0.01)  # the function comes to rest; its next update would be a conflict
                figures[name][0].append(statistics.median(spent[0]))
                figures[name][1].append(statistics.median(spent[1]))
    note = f"{many} functions with {VERSIONS} versions each"
    rows = [
        ratio(f"{name}: a large store / a small one", *figures[name], ("large ms", "small ms"), must=3.0, aim=1.5)
        for name in calls
    ]
    return [*rows, Row(name="start with a large store", rounds=starts, must=2.0, aim=1.0, unit="s", note=note)]
