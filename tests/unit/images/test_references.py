"""What names an image."""

import pytest

from midge.images.errors import ImageError, Trouble
from midge.images.references import ImageReference, parse

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1",
            ImageReference(
                transport="registry",
                host="123456789012.dkr.ecr.us-east-1.amazonaws.com",
                repository="team/app",
                tag="v1",
            ),
        ),
        ("localhost/app", ImageReference(transport="registry", host="localhost", repository="app", tag="latest")),
        (
            "127.0.0.1:5000/a/b",
            ImageReference(transport="registry", host="127.0.0.1:5000", repository="a/b", tag="latest"),
        ),
        ("[::1]:5000/a", ImageReference(transport="registry", host="[::1]:5000", repository="a", tag="latest")),
        (
            f"r.example/a@{DIGEST}",
            ImageReference(transport="registry", host="r.example", repository="a", digest=DIGEST),
        ),
        (
            f"r.example/a:v1@{DIGEST}",
            ImageReference(transport="registry", host="r.example", repository="a", tag="v1", digest=DIGEST),
        ),
        ("oci:/images/app", ImageReference(transport="oci", path="/images/app")),
        ("oci:/images/app:v1", ImageReference(transport="oci", path="/images/app", tag="v1")),
        ("oci-archive:/app.tar", ImageReference(transport="oci-archive", path="/app.tar")),
        ("docker-archive:/app.tar:app:v1", ImageReference(transport="docker-archive", path="/app.tar", tag="app:v1")),
        (f"oci:/app@{DIGEST}", ImageReference(transport="oci", path="/app", digest=DIGEST)),
    ],
)
def test_a_reference_says_where_the_image_is(text: str, reference: ImageReference) -> None:
    """AWS's form and the local ones are taken apart into transport, place and name."""
    assert parse(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "", "app", "app:latest", "team/app", "https://r.example/app", "r.example/", "r.example/App", "r.example/a b",
        "r.example/a:", "r.example/a:-x", "r.example/a@sha256:12", f"r.example/a@sha512:{'ab' * 32}", "r.example/../a",
        "user@r.example/a", "r.example/a\n", "-r.example/a", "r.example:port/a",
        "oci:relative", "oci:", "oci:/app:", "oci:/app@sha256:12", "docker-archive:", "dir:/app", "a." * 600 + "b/c",
    ],
)  # fmt: skip
def test_what_names_no_image_is_refused(text: str) -> None:
    """Names without a registry, with a scheme, with another kind of digest or of a form that no registry has are none."""
    with pytest.raises(ImageError) as caught:
        parse(text)
    assert caught.value.trouble is Trouble.NOT_A_REFERENCE


@pytest.mark.parametrize(
    "text", ["r.example/a:v1", "oci:/app:v1", "docker-archive:/app.tar:app:v1", f"r.example/a@{DIGEST}"]
)
def test_a_pinned_reference_names_the_same_place(text: str) -> None:
    """What is written out of a pinned reference is read back as the same image, whatever the tag was."""
    pinned = parse(text).pinned(DIGEST)
    assert parse(str(pinned)) == pinned
    assert str(pinned).endswith(f"@{DIGEST}")
