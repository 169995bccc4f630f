"""What the documents of an image say."""

import json
from typing import Any

import pytest
from harness import oci
from hypothesis import given
from hypothesis import strategies as st

from midge.images.errors import ImageError, Trouble
from midge.images.manifests import Choice, Manifest, compression_of, read_document, read_settings

MADE = oci.image(
    oci.layer(oci.file("a")),
    config={"Entrypoint": ["/a"], "Cmd": ["b"], "WorkingDir": "/w", "Env": ["A=1=2", "=x", "B"]},
)
DOCKER = {
    oci.MANIFEST: "application/vnd.docker.distribution.manifest.v2+json",
    oci.INDEX: "application/vnd.docker.distribution.manifest.list.v2+json",
    oci.CONFIG: "application/vnd.docker.container.image.v1+json",
    oci.LAYER + "+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


def as_docker(data: bytes) -> bytes:
    text = data.decode()
    for ours, theirs in DOCKER.items():
        text = text.replace(f'"{ours}"', f'"{theirs}"')
    return text.encode()


@pytest.mark.parametrize("data", [MADE.manifest, as_docker(MADE.manifest)])
def test_manifests_of_both_kinds_are_read(data: bytes) -> None:
    """OCI's manifest and Docker's say the same: which configuration, which layers, how compressed."""
    found = read_document(data, "")
    assert isinstance(found, Manifest)
    assert found.config.digest == oci.digest(MADE.config)
    assert [(one.blob.digest, one.compression) for one in found.layers] == [(next(iter(MADE.blobs)), "gzip")]


@pytest.mark.parametrize("convert", [bytes, as_docker])
def test_indexes_of_both_kinds_are_read(convert: Any) -> None:
    """An index lists its images with the processors that they are for."""
    found = read_document(convert(oci.index(("arm64", MADE), ("amd64", MADE))), "")
    assert isinstance(found, tuple)
    assert [(choice.os, choice.architecture) for choice in found] == [("linux", "arm64"), ("linux", "amd64")]
    assert all(isinstance(choice, Choice) for choice in found)


def test_the_media_type_may_stand_in_the_answer_alone() -> None:
    """A manifest that does not say what it is is what its registry calls it."""
    document = json.loads(MADE.manifest)
    del document["mediaType"]
    found = read_document(json.dumps(document).encode(), f"{oci.MANIFEST}; charset=utf-8")
    assert isinstance(found, Manifest)


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(MADE.manifest), **changes}).encode()


BLOB = {"mediaType": oci.LAYER, "digest": "sha256:" + "0" * 64, "size": 1}


@pytest.mark.parametrize(
    ("data", "trouble"),
    [
        (b"", Trouble.INVALID),
        (b"[]", Trouble.INVALID),
        (b"[" * 100_000, Trouble.INVALID),
        (changed(mediaType="application/vnd.docker.distribution.manifest.v1+json"), Trouble.UNSUPPORTED),
        (changed(config=None), Trouble.INVALID),
        (changed(config={**BLOB, "mediaType": "application/vnd.oci.empty.v1+json"}), Trouble.UNSUPPORTED),
        (changed(layers=None), Trouble.INVALID),
        (changed(layers=[BLOB] * 257), Trouble.INVALID),
        (changed(layers=[{**BLOB, "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar"}]), Trouble.UNSUPPORTED),
        (changed(layers=[{**BLOB, "digest": "sha512:" + "0" * 128}]), Trouble.UNSUPPORTED),
        (changed(layers=[{**BLOB, "digest": "sha256:../../etc/passwd"}]), Trouble.UNSUPPORTED),
        (changed(layers=[{**BLOB, "size": -1}]), Trouble.INVALID),
        (changed(layers=[{**BLOB, "size": True}]), Trouble.INVALID),
        (changed(layers=["x"]), Trouble.INVALID),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_used_is_refused(data: bytes, trouble: Trouble) -> None:
    """Each way in which a manifest is damaged, foreign or hostile has its error."""
    with pytest.raises(ImageError) as caught:
        read_document(data, "")
    assert caught.value.trouble is trouble


def test_settings_say_how_to_run_the_image() -> None:
    """Entry point, command, directory and variables come from the configuration; variables without a name do not."""
    settings = read_settings(MADE.config)
    assert (settings.entry_point, settings.command, settings.working_directory) == (("/a",), ("b",), "/w")
    assert settings.environment == {"A": "1=2", "B": ""}
    assert settings.diff_ids == (oci.digest(MADE.layers[0]),)


@pytest.mark.parametrize(
    "inner",
    [
        {"Entrypoint": "x"},
        {"Cmd": [1]},
        {"WorkingDir": 1},
        {"Env": ["A=\0"]},
        {"Cmd": ["\0"]},
        {"WorkingDir": "\0"},
        [],
    ],
)
def test_settings_of_another_form_are_refused(inner: Any) -> None:
    """A configuration whose parts are of the wrong kind is not guessed at."""
    document = {**json.loads(MADE.config), "config": inner or "x"}
    with pytest.raises(ImageError) as caught:
        read_settings(json.dumps(document).encode())
    assert caught.value.trouble is Trouble.INVALID


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["mediaType", "config", "layers", "manifests", "digest", "size", "platform", "rootfs", "diff_ids", "Env"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_document_is_read_or_refused(document: Any) -> None:
    """No JSON makes reading fail otherwise than by the error that is for it."""
    data = json.dumps(document).encode()
    for read in (lambda: read_document(data, ""), lambda: read_settings(data)):
        try:
            read()
        except ImageError as error:
            assert error.trouble in {Trouble.INVALID, Trouble.UNSUPPORTED}  # noqa: PT017


def test_compression_is_known_by_its_first_bytes() -> None:
    """Layers of an archive have no media type; gzip and zstd show."""
    assert [compression_of(data) for data in (b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"etc/", b"")] == [
        "gzip",
        "zstd",
        "",
        "",
    ]
