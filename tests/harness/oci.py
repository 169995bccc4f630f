"""Builds container images from nothing, lays them down in every form that midge reads, and serves them on loopback.

``Registry`` is a registry as small as the protocol allows, that can be told to ask for a token, to redirect, and to lie.
"""

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]

Entry = tuple[tarfile.TarInfo, bytes]


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def file(name: str, data: bytes = b"", mode: int = 0o644) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), mode, 1_600_000_000
    return entry, data


def directory(name: str, mode: int = 0o755) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    return entry, b""


def link(name: str, target: str, *, hard: bool = False) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
    entry.linkname = target
    return entry, b""


def special(name: str, kind: bytes) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    return entry, b""


def layer(*entries: Entry) -> bytes:
    """A layer, uncompressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry, data in entries:
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(slots=True)
class Image:
    """An image: its blobs by digest, and its manifest."""

    blobs: dict[str, bytes]
    manifest: bytes
    layers: list[bytes]
    config: bytes
    media_type: str = MANIFEST

    @property
    def digest(self) -> str:
        return digest(self.manifest)

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}


def image(
    *layers: bytes, config: Mapping[str, Any] | None = None, compress: bool = True, architecture: str = ARCHITECTURE
) -> Image:
    """An image of these layers; ``config`` is the part of its configuration that says how to run it."""
    blobs: dict[str, bytes] = {}
    descriptors: list[dict[str, Any]] = []
    for data in layers:
        blob = gzip.compress(data, mtime=0) if compress else data
        blobs[digest(blob)] = blob
        kind = LAYER + ("+gzip" if compress else "")
        descriptors.append({"mediaType": kind, "digest": digest(blob), "size": len(blob)})
    document = {
        "os": "linux",
        "architecture": architecture,
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]},
    }
    text = json.dumps(document).encode()
    blobs[digest(text)] = text
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest(text), "size": len(text)},
        "layers": descriptors,
    }
    return Image(blobs, json.dumps(manifest).encode(), list(layers), text)


def index(*images: tuple[str, Image]) -> bytes:
    """An index of images by their processors."""
    entries = [{**made.descriptor, "platform": {"os": "linux", "architecture": name}} for name, made in images]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def layout_files(images: Mapping[str, Image]) -> dict[str, bytes]:
    """The files of an OCI image layout with these images by name."""
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    entries: list[dict[str, Any]] = []
    for name, made in images.items():
        entries.append({**made.descriptor, "annotations": {"org.opencontainers.image.ref.name": name}})
        for key, data in {**made.blobs, made.digest: made.manifest}.items():
            files["blobs/sha256/" + key.removeprefix("sha256:")] = data
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return files


def write_layout(place: Path, images: Mapping[str, Image]) -> Path:
    for name, data in layout_files(images).items():
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return place


def write_archive(place: Path, images: Mapping[str, Image]) -> Path:
    """An OCI archive."""
    place.write_bytes(layer(*(file(name, data) for name, data in layout_files(images).items())))
    return place


def write_docker_archive(place: Path, images: Mapping[str, Image]) -> Path:
    """What ``docker save`` writes; the second layer of an image that is the same as another's is a link, as there."""
    entries: list[Entry] = []
    described: list[dict[str, Any]] = []
    for name, made in images.items():
        config_name = digest(made.config).removeprefix("sha256:") + ".json"
        entries.append(file(config_name, made.config))
        names: list[str] = []
        for number, data in enumerate(made.layers):
            entries += [directory(f"{name}-{number}"), file(f"{name}-{number}/real.tar", data)]
            entries.append(link(f"{name}-{number}/layer.tar", "real.tar"))
            names.append(f"{name}-{number}/layer.tar")
        described.append({"Config": config_name, "RepoTags": [f"{name}:latest"], "Layers": names})
    entries.append(file("manifest.json", json.dumps(described).encode()))
    place.write_bytes(layer(*entries))
    return place


@dataclass(slots=True)
class Asked:
    """One request that the registry got."""

    path: str
    authorization: str | None


@dataclass(slots=True)
class Registry:
    """What is served. Blobs and manifests are by digest, ``tags`` lead to digests."""

    address: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[Asked] = field(default_factory=list[Asked])
    token: str | None = None
    """Wanted for everything, and given to whoever has ``user:secret``."""
    realm: str | None = None
    """Where tokens are said to be had; here if None."""
    blobs_at: str | None = None
    """Where requests for blobs are redirected to; if empty, to themselves."""
    status: int | None = None
    """Answered to everything."""
    changed: Callable[[bytes], bytes] | None = None
    """What becomes of a blob on its way."""

    def push(self, made: Image, *tags: str) -> str:
        """Keep an image; returns its URI by digest."""
        self.blobs.update(made.blobs)
        self.manifests[made.digest] = (made.media_type, made.manifest)
        for tag in tags:
            self.tags[tag] = made.digest
        return f"{self.address}/app@{made.digest}"

    def push_index(self, data: bytes, tag: str) -> None:
        self.manifests[digest(data)] = (INDEX, data)
        self.tags[tag] = digest(data)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, registry: Registry, *args: Any) -> None:
        self._registry = registry
        super().__init__(*args)

    def do_GET(self) -> None:
        registry = self._registry
        authorization = self.headers.get("Authorization")
        registry.asked.append(Asked(self.path, authorization))
        if self.path.startswith("/token"):
            known = authorization == "Basic dXNlcjpzZWNyZXQ="
            self._send(200 if known else 401, json.dumps({"token": registry.token}).encode())
        elif registry.status is not None:
            self._send(registry.status, b"")
        elif registry.token is not None and authorization != f"Bearer {registry.token}" and "/mirror/" not in self.path:
            realm = registry.realm or f"http://{registry.address}/token"
            self._send(401, b"{}", {"WWW-Authenticate": f'Bearer realm="{realm}",service="registry"'})
        else:
            self._content(self.path.rpartition("/")[2])

    def _content(self, name: str) -> None:
        registry = self._registry
        if "/manifests/" in self.path:
            found = registry.manifests.get(registry.tags.get(name, name))
            if found is None:
                self._send(404, b"{}")
            else:
                self._send(200, found[1], {"Content-Type": found[0]})
        elif name not in registry.blobs:
            self._send(404, b"{}")
        elif registry.blobs_at is not None and "/mirror/" not in self.path:
            self._send(307, b"", {"Location": f"{registry.blobs_at}/mirror/{name}" if registry.blobs_at else self.path})
        else:
            data = registry.blobs[name]
            self._send(200, data if registry.changed is None else registry.changed(data))

    def _send(self, status: int, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


@contextlib.contextmanager
def serving(images: Iterable[tuple[str, Image]] = ()) -> Generator[Registry]:
    """A registry on loopback with these images by tag."""
    registry = Registry()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, registry))
    server.daemon_threads = True
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    for tag, made in images:
        registry.push(made, tag)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
