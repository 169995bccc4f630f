"""What midge may reach for the sake of images."""

import base64
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from midge.images.egress import CredentialsError, Egress, read_credentials
from midge.images.errors import ImageError, Trouble

CHOSEN = Egress(["r.example", "r.example:5000", "*.ecr.example", "http://plain.example:5000"])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:5000/v2/", True),
        ("http://127.9.9.9/v2/", True),
        ("http://localhost:5000/v2/", True),
        ("http://[::1]:5000/v2/", True),
        ("https://r.example/v2/", True),
        ("https://R.example:5000/v2/", True),
        ("https://a.ecr.example/v2/", True),
        ("http://plain.example:5000/v2/", True),
        ("https://r.example:5001/v2/", False),
        ("http://r.example/v2/", False),
        ("https://ecr.example/v2/", False),
        ("https://evilecr.example/v2/", False),
        ("https://plain.example:5000/v2/", False),
        ("http://169.254.169.254/latest/", False),
        ("http://10.0.0.1/v2/", False),
        ("https://other.example/v2/", False),
        ("http://user@127.0.0.1/v2/", False),
        ("https://user:password@r.example/v2/", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1/x", False),
        ("", False),
    ],
)
def test_only_what_is_named_is_contacted(url: str, allowed: bool) -> None:
    """This machine by plain HTTP, and what the configuration names in the way that it names it; nothing else."""
    if allowed:
        CHOSEN.check(urlsplit(url))
        return
    with pytest.raises(ImageError) as caught:
        CHOSEN.check(urlsplit(url))
    assert caught.value.trouble is Trouble.NOT_ALLOWED
    assert "password" not in str(caught.value)


def test_nothing_else_is_contacted_by_default() -> None:
    """Without configuration only this machine is."""
    with pytest.raises(ImageError):
        Egress().check(urlsplit("https://r.example/v2/"))
    Egress().check(urlsplit("http://127.0.0.1:5000/v2/"))


def test_local_images_lie_where_they_may(tmp_path: Path) -> None:
    """A path is read if it really is below a directory that the configuration names, whatever links say."""
    allowed, other = tmp_path / "allowed", tmp_path / "other"
    for place in (allowed, other):
        place.mkdir()
    (allowed / "link").symlink_to(other)
    egress = Egress(directories=[allowed])
    assert egress.local(f"{allowed}/image") == allowed / "image"
    for path in (f"{allowed}/../other", f"{allowed}/link", f"{allowed}x", str(other), "/"):
        with pytest.raises(ImageError) as caught:
            egress.local(path)
        assert caught.value.trouble is Trouble.NOT_ALLOWED
    with pytest.raises(ImageError):
        Egress().local(str(allowed))


def test_credentials_are_read_by_registry(tmp_path: Path) -> None:
    """The file that docker login writes gives user and password by host."""
    encoded = base64.b64encode(b"user:secret").decode()
    place = tmp_path / "auth.json"
    place.write_text(json.dumps({"auths": {"https://R.example:5000/v1/": {"auth": encoded}, "empty.example": {}}}))
    assert read_credentials(place) == {"r.example:5000": "user:secret"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"auths": []}', '{"auths": {"r.example": {"auth": "secret!"}}}', '{"auths": {"r": 1}}']
)
def test_a_file_without_credentials_is_told_of_without_quoting_it(text: str, tmp_path: Path) -> None:
    """What is wrong with the file is said, and what is in it is not."""
    place = tmp_path / "auth.json"
    place.write_text(text)
    with pytest.raises(CredentialsError) as caught:
        read_credentials(place)
    assert "secret" not in str(caught.value)
    assert str(place) in str(caught.value)
