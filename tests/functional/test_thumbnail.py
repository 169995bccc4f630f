"""examples/thumbnail, end to end: compiled dependencies and another AWS service, from inside the sandbox."""

import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image, ImageOps

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "thumbnail"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example's deploy module, imported from where it lies."""
    monkeypatch.syspath_prepend(EXAMPLE)
    spec = importlib.util.spec_from_file_location("thumbnail_deploy", EXAMPLE / "deploy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("photograph", None)


@pytest.mark.needs("namespaces")
def test_the_thumbnail_of_a_photograph(
    midge: Any, example: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The deployed function turns a photograph in S3 into an upright thumbnail that shows the same picture."""
    for name, value in {
        "AWS_ENDPOINT_URL": midge.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)

    example.main()

    printed = json.loads(capsys.readouterr().out)
    s3 = midge.client("s3")
    stored = s3.get_object(Bucket="photographs", Key="garden-small.jpg")
    assert stored["ContentType"] == "image/jpeg"
    data = stored["Body"].read()
    assert printed["bytes"] == len(data)
    thumbnail = Image.open(io.BytesIO(data))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (printed["width"], printed["height"]))
    original = s3.get_object(Bucket="photographs", Key="garden.jpg")["Body"].read()
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(original)))
    assert thumbnail.height > thumbnail.width, "the camera's orientation was applied"
    assert max(thumbnail.size) == 256
    assert mean_difference(upright.resize(thumbnail.size), thumbnail) < 8


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """The mean absolute difference of two pictures' bytes, 0 to 255."""
    pairs = zip(one.convert("RGB").tobytes(), other.convert("RGB").tobytes(), strict=True)
    differences = [abs(a - b) for a, b in pairs]
    return sum(differences) / len(differences)
