"""moto as a neighbour: started when needed, reached through the listener, gone when midge is."""

import asyncio
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvloop
from botocore.config import Config
from functional.relaying import listening
from structlog.testing import capture_logs

from midge.model.errors import ServiceError
from midge.model.limits import Limits
from midge.neighbours.moto import Moto

_START_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _moto_is_installed(request: pytest.FixtureRequest) -> None:
    if importlib.util.find_spec("moto") is None:
        if os.environ.get("CI"):
            pytest.fail("CI must offer moto: pip install 'midge[neighbours]'", pytrace=False)
        pytest.skip("moto is not installed: pip install 'midge[neighbours]'")


def _client(service: str, port: int) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-west-1",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def _through_the_listener(tmp_path: Path, work: Callable[[int], None]) -> None:
    """Run ``work``, with the listener's port, in a thread beside the event loop."""

    async def main() -> None:
        moto = Moto(tmp_path / "moto.log", Limits())
        try:
            async with listening(moto) as port:
                await asyncio.to_thread(work, port)
        finally:
            await moto.close()

    uvloop.run(main())


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_twenty_megabytes_go_to_s3_and_back(tmp_path: Path) -> None:
    """A large object that boto3 puts through the listener comes back unchanged."""
    data = hashlib.shake_256(b"midge").digest(20 * 1024 * 1024)

    def work(port: int) -> None:
        s3 = _client("s3", port)
        s3.create_bucket(Bucket="photos", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket="photos", Key="a/ä b.bin", Body=data)
        assert s3.get_object(Bucket="photos", Key="a/ä b.bin")["Body"].read() == data
        assert s3.head_object(Bucket="photos", Key="a/ä b.bin")["ContentLength"] == len(data)
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket="photos", Key="nothing")
        s3.delete_object(Bucket="photos", Key="a/ä b.bin")
        assert "Contents" not in s3.list_objects_v2(Bucket="photos")

    _through_the_listener(tmp_path, work)


def test_services_are_told_apart_by_their_signatures(tmp_path: Path) -> None:
    """JSON, query and rest services answer at the one endpoint, for midge's account."""

    def work(port: int) -> None:
        queue = _client("sqs", port).create_queue(QueueName="q")["QueueUrl"]
        assert queue == f"http://127.0.0.1:{port}/000000000000/q"
        _client("sqs", port).send_message(QueueUrl=queue, MessageBody="hello")
        assert _client("sqs", port).receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "hello"
        topic = _client("sns", port).create_topic(Name="t")["TopicArn"]
        assert topic == "arn:aws:sns:eu-west-1:000000000000:t"
        dynamodb = _client("dynamodb", port)
        with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
            dynamodb.describe_table(TableName="nothing")

    _through_the_listener(tmp_path, work)


def test_it_starts_with_the_first_request_and_ends_on_close(tmp_path: Path) -> None:
    """There is no process before the first request, one for many at a time, and none after close."""

    async def main() -> None:
        moto = Moto(tmp_path / "moto.log", Limits())
        assert moto.pid is None
        addresses = await asyncio.gather(*(moto.address() for _ in range(5)))
        pid = moto.pid
        assert pid is not None
        assert len(set(addresses)) == 1
        await moto.close()
        assert moto.pid is None
        assert not _alive(pid)
        with pytest.raises(ServiceError, match="shutting down"):
            await moto.address()

    uvloop.run(main())


def test_it_is_replaced_when_it_dies(tmp_path: Path) -> None:
    """After its process has been killed the next request starts another, with a warning, and keeps the last log."""

    async def main() -> None:
        moto = Moto(tmp_path / "moto.log", Limits())
        try:
            await moto.address()
            first = moto.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            assert moto._process is not None
            await moto._process.wait()
            with capture_logs() as logs:
                await moto.address()
            assert moto.pid not in {None, first}
            assert [line["status"] for line in logs if line["log_level"] == "warning"] == [-signal.SIGKILL]
            assert (tmp_path / "moto.log.1").exists()
        finally:
            await moto.close()

    uvloop.run(main())


def _environment_of(pid: int | None) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().strip("\0").split("\0")
    return dict(entry.split("=", 1) for entry in entries)


def test_its_environment_has_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of midge's environment reaches it but what a program needs to run; nor does Docker."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("SOME_TOKEN", "hunter2")

    async def main() -> None:
        moto = Moto(tmp_path / "moto.log", Limits())
        try:
            await moto.address()
            environment = _environment_of(moto.pid)
        finally:
            await moto.close()
        assert "hunter2" not in environment.values()
        assert "AWS_PROFILE" not in environment
        assert environment["AWS_SHARED_CREDENTIALS_FILE"] == environment["AWS_CONFIG_FILE"] == os.devnull
        assert environment["DOCKER_HOST"] == "unix:///dev/null"

    uvloop.run(main())


_PARENT = """
import asyncio, sys, uvloop
from pathlib import Path
from midge.model.limits import Limits
from midge.neighbours.moto import Moto

async def main():
    moto = Moto(Path(sys.argv[1]), Limits())
    await moto.address()
    sys.stdout.write(f"{moto.pid}\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()

uvloop.run(main())
"""


def test_it_dies_with_midge(tmp_path: Path) -> None:
    """When midge is killed with kill -9 its moto is gone as well."""
    argv = [sys.executable, "-c", _PARENT, str(tmp_path / "moto.log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            pid = next(int(line) for line in parent.stdout if line.strip().isdigit())
            assert _alive(pid)
        finally:
            parent.kill()
    deadline = time.monotonic() + _START_SECONDS
    while _alive(pid):
        assert time.monotonic() < deadline, "moto outlives midge"
        time.sleep(0.02)


def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """Within the limit it answers or is unavailable; nothing is left running."""

    async def main() -> None:
        moto = Moto(tmp_path / "moto.log", Limits(neighbour_start_seconds=0.05))
        with pytest.raises(ServiceError, match="it took too long") as caught:
            await moto.address()
        assert caught.value.code == "ServiceUnavailableException"
        assert moto.pid is None
        await moto.close()

    uvloop.run(main())


def test_a_program_that_ends_at_once_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it cannot run the error says with which status it ended, after a few attempts."""
    monkeypatch.setattr("midge.neighbours.moto.sys.executable", "/bin/false")

    async def main() -> None:
        moto = Moto(tmp_path / "moto.log", Limits())
        with pytest.raises(ServiceError, match="moto ends with status 1 when it is started"):
            await moto.address()

    uvloop.run(main())


def test_without_moto_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where moto is not installed a request for S3 gets a 503 in S3's shape that names the package."""
    monkeypatch.setattr("midge.neighbours.moto.importlib.util.find_spec", lambda name: None)

    def work(port: int) -> None:
        s3 = _client("s3", port)
        with pytest.raises(s3.exceptions.ClientError) as caught:
            s3.list_buckets()
        response = caught.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert response["Error"]["Code"] == "ServiceUnavailableException"
        assert "midge[neighbours]" in response["Error"]["Message"]

    _through_the_listener(tmp_path, work)
