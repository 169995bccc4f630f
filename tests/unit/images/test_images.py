"""Images resolved, pulled and unpacked, from every kind of place."""

import asyncio
import contextlib
import gzip
import json
import os
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from harness import oci
from harness.oci import file, layer
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.images.egress import Egress
from midge.images.errors import ImageError, Trouble
from midge.images.images import Images
from midge.model.limits import Limits

T = TypeVar("T")
LOWER, UPPER = layer(file("a", b"lower"), file("b", b"kept")), layer(file("a", b"upper"), file(".wh.none"))
MADE = oci.image(LOWER, UPPER, config={"Entrypoint": ["/a"], "Cmd": ["x"], "WorkingDir": "/w", "Env": ["A=1"]})
OTHER = oci.image(layer(file("other")))


def with_images(
    place: Path,
    work: Callable[[Images], Awaitable[T]],
    egress: Egress | None = None,
    limits: Limits | None = None,
    keep: Iterable[str] = (),
    *,
    apart: bool = False,
) -> T:
    async def main() -> T:
        images = Images(place / "images", egress or Egress(directories=[place]), limits or Limits(), apart=apart)
        await images.sweep(set(keep))
        try:
            return await work(images)
        finally:
            await images.close()

    return asyncio.run(main())


def trouble_of(
    place: Path, uri: str, egress: Egress | None = None, limits: Limits | None = None, *, apart: bool = False
) -> Trouble:
    """What is wrong with an image; nothing of it is left behind."""

    async def work(images: Images) -> Trouble:
        with pytest.raises(ImageError) as caught:
            await images.unpacked(await images.resolve(uri))
        return caught.value.trouble

    found = with_images(place, work, egress, limits, apart=apart)
    assert list((place / "images").iterdir()) == []
    return found


@contextlib.contextmanager
def everywhere(place: Path) -> Generator[list[str]]:
    """The same image by its names in a registry, a layout and archives of both kinds."""
    both = {"one": MADE, "two": OTHER}
    with oci.serving([("one", MADE)]) as registry:
        yield [
            f"{registry.address}/app:one",
            f"{registry.address}/app@{MADE.digest}",
            f"oci:{oci.write_layout(place / 'layout', both)}:one",
            f"oci:{place}/layout@{MADE.digest}",
            f"oci-archive:{oci.write_archive(place / 'oci.tar', both)}:one",
            f"docker-archive:{oci.write_docker_archive(place / 'docker.tar', both)}:one:latest",
            f"docker-archive:{oci.write_docker_archive(place / 'single.tar', {'one': MADE})}",
        ]


@pytest.mark.parametrize("apart", [False, True])
def test_an_image_is_the_same_from_wherever_it_comes(apart: bool, tmp_path: Path) -> None:
    """Registry, layout and archives give the same root and the same settings, and what was resolved can be found again."""

    async def work(images: Images) -> None:
        for uri in uris:
            image = await images.resolve(uri)
            assert (image.entry_point, image.command, image.working_directory) == (("/a",), ("x",), "/w")
            assert image.environment == {"A": "1"}
            assert image.uri == uri
            assert image.resolved_uri.endswith(f"@{image.digest}")
            if not uri.startswith("docker"):
                assert image.digest == MADE.digest
            root = await images.unpacked(image)
            assert {path.name: path.read_text() for path in root.iterdir() if path.is_file()} == {
                "a": "upper",
                "b": "kept",
            }
            again = await images.resolve(image.resolved_uri)
            assert again == replace(image, uri=image.resolved_uri)
            await images.remove(image.root)
            assert not root.exists()

    with everywhere(tmp_path) as uris:
        with_images(tmp_path, work, apart=apart)


def test_layers_are_unpacked_once(tmp_path: Path) -> None:
    """Concurrent callers share one pull, and images that differ in their configuration alone share one root."""
    second = oci.image(LOWER, UPPER, config={"Cmd": ["y"]})
    with oci.serving([("one", MADE), ("two", second)]) as registry:

        async def work(images: Images) -> None:
            found = [await images.resolve(f"{registry.address}/app:{name}") for name in ("one", "two")]
            registry.asked.clear()
            roots = await asyncio.gather(*(images.unpacked(image) for image in found * 3))
            assert len(set(roots)) == 1
            blobs = [asked.path for asked in registry.asked if "/blobs/" in asked.path]
            assert len(blobs) == 3  # one configuration, two layers

        with_images(tmp_path, work)


def test_what_is_not_wanted_or_not_whole_is_removed_at_start(tmp_path: Path) -> None:
    """A start keeps the roots that functions have, without pulling them again, and removes the rest."""
    place = oci.write_layout(tmp_path / "layout", {"one": MADE, "two": OTHER})

    async def fill(images: Images) -> list[str]:
        found = [await images.resolve(f"oci:{place}:{name}") for name in ("one", "two")]
        return [(await images.unpacked(image)).name for image in found]

    kept, dropped = with_images(tmp_path, fill)
    (tmp_path / "images" / ".new-left").mkdir()

    async def look(images: Images) -> None:
        image = await images.resolve(f"oci:{place}:one")
        (place / "blobs" / "sha256" / next(iter(MADE.blobs)).removeprefix("sha256:")).unlink()
        assert (await images.unpacked(image)).name == kept

    with_images(tmp_path, look, keep=[kept])
    assert [path.name for path in (tmp_path / "images").iterdir()] == [kept]
    assert dropped != kept


def test_the_image_for_this_machine_is_chosen(tmp_path: Path) -> None:
    """Of an index the image for this machine's processor is taken, and its own digest is the resolved one."""
    with oci.serving() as registry:
        other = oci.image(LOWER, architecture="s390x")
        for made in (MADE, other):
            registry.push(made)
        registry.push_index(oci.index(("s390x", other), (oci.ARCHITECTURE, MADE)), "both")
        registry.push_index(oci.index(("s390x", other)), "foreign")
        registry.push_index(json.dumps({"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": []}).encode(), "none")
        registry.push(other, "single")
        found = with_images(tmp_path, lambda images: images.resolve(f"{registry.address}/app:both"))
        assert found.digest == MADE.digest
        for tag in ("foreign", "none", "single"):
            assert trouble_of(tmp_path, f"{registry.address}/app:{tag}") is Trouble.UNSUPPORTED


def test_a_name_may_mean_another_image_later(tmp_path: Path) -> None:
    """What was resolved is pulled by its digest, whatever the tag means by then."""
    with oci.serving([("v", MADE)]) as registry:

        async def work(images: Images) -> None:
            image = await images.resolve(f"{registry.address}/app:v")
            registry.push(OTHER, "v")
            assert ((await images.unpacked(image)) / "a").read_text() == "upper"
            assert (await images.resolve(f"{registry.address}/app:v")).digest == OTHER.digest

        with_images(tmp_path, work)


LIES: dict[str, Callable[[bytes], bytes]] = {
    "other content of the same size": lambda data: bytes(len(data)),
    "more than was said": lambda data: data + b"x",
    "less than was said": lambda data: data[:-1],
    "nothing": lambda data: b"",
    "another layer": lambda data: gzip.compress(OTHER.layers[0], mtime=0),
}


@pytest.mark.parametrize("name", LIES)
def test_content_is_verified(name: str, tmp_path: Path) -> None:
    """A registry that gives other bytes than the digest names gets nowhere, for a configuration and for a layer."""
    with oci.serving([("v", MADE)]) as registry:
        registry.changed = LIES[name]
        assert trouble_of(tmp_path, f"{registry.address}/app:v") is Trouble.INVALID
        registry.changed = lambda data: LIES[name](data) if data.startswith(b"\x1f\x8b") else data
        assert trouble_of(tmp_path, f"{registry.address}/app:v") is Trouble.INVALID


def test_a_process_apart_tells_what_went_wrong(tmp_path: Path) -> None:
    """An image's fault keeps its name on the way between the processes, credentials get there, a machine's error too."""
    with oci.serving([("v", MADE)]) as registry:
        uri = f"{registry.address}/app:v"
        registry.token = "t0ken"
        egress = Egress(credentials={registry.address: "user:secret"})

        async def pull(images: Images) -> None:
            await images.unpacked(await images.resolve(uri))

        with_images(tmp_path / "a", pull, egress, apart=True)
        layers = [key for key in MADE.blobs if key != oci.digest(MADE.config)]
        registry.changed = lambda data: data[::-1] if data.startswith(b"\x1f\x8b") else data
        assert trouble_of(tmp_path / "b", uri, egress, apart=True) is Trouble.INVALID
        registry.changed = None
        del registry.blobs[layers[1]]
        assert trouble_of(tmp_path / "b", uri, egress, apart=True) is Trouble.MISSING


def test_a_process_apart_is_ended(tmp_path: Path) -> None:
    """A pull that hangs in another process is given up in time, and called off at once; nothing of it is left."""
    with oci.serving([("v", MADE)]) as registry:
        answer, asked = threading.Event(), threading.Event()

        def hang(data: bytes) -> bytes:
            if data.startswith(b"\x1f\x8b"):
                asked.set()
                answer.wait()
            return data

        registry.changed = hang
        uri = f"{registry.address}/app:v"
        try:
            assert trouble_of(tmp_path, uri, limits=Limits(image_pull_seconds=0.5), apart=True) is Trouble.UNAVAILABLE

            async def call_off(images: Images) -> None:
                asked.clear()
                pulling = asyncio.get_running_loop().create_task(images.unpacked(await images.resolve(uri)))
                await asyncio.get_running_loop().run_in_executor(None, asked.wait)
                pulling.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await pulling

            with_images(tmp_path, call_off, apart=True)
        finally:
            answer.set()
    assert list((tmp_path / "images").iterdir()) == []


def test_a_manifest_is_verified(tmp_path: Path) -> None:
    """A manifest asked for by digest is that one or refused."""
    with oci.serving() as registry:
        registry.manifests[MADE.digest] = (oci.MANIFEST, OTHER.manifest)
        registry.blobs.update(OTHER.blobs)
        assert trouble_of(tmp_path, f"{registry.address}/app@{MADE.digest}") is Trouble.INVALID


def test_uncompressed_layers_are_what_the_configuration_says(tmp_path: Path) -> None:
    """A manifest cannot bring layers that the image's own configuration does not know."""
    liar = oci.image(LOWER, UPPER)
    honest = json.loads(oci.image(UPPER, LOWER).manifest)
    manifest = {**json.loads(liar.manifest), "layers": honest["layers"]}
    liar.manifest = json.dumps(manifest).encode()
    fewer = oci.image(LOWER, UPPER)
    fewer.manifest = json.dumps({**json.loads(fewer.manifest), "layers": honest["layers"][:1]}).encode()
    with oci.serving([("liar", liar), ("fewer", fewer)]) as registry:
        for tag in ("liar", "fewer"):
            assert trouble_of(tmp_path, f"{registry.address}/app:{tag}") is Trouble.INVALID


def test_an_image_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """A bomb is stopped when it has reached the limit, all layers counted together."""
    bomb = oci.image(layer(file("a", bytes(700_000))), layer(file("b", bytes(700_000))))
    limits = Limits(image_bytes=1_000_000)
    place = oci.write_layout(tmp_path / "layout", {"bomb": bomb})
    assert trouble_of(tmp_path, f"oci:{place}", limits=limits) is Trouble.INVALID


def test_a_layer_that_leads_out_is_refused(tmp_path: Path) -> None:
    """An escaping layer makes the image invalid, and leaves nothing."""
    place = oci.write_layout(tmp_path / "layout", {"v": oci.image(layer(file("../../escaped", b"x")))})
    assert trouble_of(tmp_path, f"oci:{place}") is Trouble.INVALID
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (401, Trouble.DENIED),
        (403, Trouble.DENIED),
        (404, Trouble.MISSING),
        (500, Trouble.UNAVAILABLE),
        (302, Trouble.UNAVAILABLE),
    ],
)
def test_refusals_of_a_registry_are_told_apart(status: int, trouble: Trouble, tmp_path: Path) -> None:
    """What is missing, what is denied and what is broken are three things."""
    with oci.serving([("v", MADE)]) as registry:
        registry.status = status
        assert trouble_of(tmp_path, f"{registry.address}/app:v") is trouble


def test_a_registry_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """Nobody listens: that is an error with a reason, not a crash."""
    with oci.serving() as registry:
        address = registry.address
    assert trouble_of(tmp_path, f"{address}/app:v") is Trouble.UNAVAILABLE


def test_a_registry_that_hangs_is_given_up(tmp_path: Path) -> None:
    """Time for an answer is limited, and so is time for the whole; closing ends a wait at once."""
    with oci.serving([("v", MADE)]) as registry:
        answer, asked = threading.Event(), threading.Event()

        def hang(data: bytes) -> bytes:
            asked.set()
            answer.wait()
            return data

        registry.changed = hang
        try:
            for limits in (Limits(registry_seconds=0.05), Limits(image_resolve_seconds=0.05)):
                assert trouble_of(tmp_path, f"{registry.address}/app:v", limits=limits) is Trouble.UNAVAILABLE

            async def close_meanwhile(images: Images) -> None:
                asked.clear()
                waiting = asyncio.get_running_loop().create_task(images.resolve(f"{registry.address}/app:v"))
                await asyncio.get_running_loop().run_in_executor(None, asked.wait)
                await images.close()
                with pytest.raises(ImageError, match="being stopped"):
                    await waiting

            with_images(tmp_path, close_meanwhile)
        finally:
            answer.set()


def test_a_token_is_asked_for_with_the_credentials(tmp_path: Path) -> None:
    """The challenge of a registry is answered as its token service wants it, by whoever has credentials."""
    with oci.serving([("v", MADE)]) as registry:
        registry.token = "t0ken"
        uri = f"{registry.address}/app:v"
        assert trouble_of(tmp_path, uri) is Trouble.DENIED
        registry.asked.clear()
        egress = Egress(credentials={registry.address: "user:secret"})
        with_images(tmp_path, lambda images: images.resolve(uri), egress)
        paths = [asked.path for asked in registry.asked]
        assert paths[1] == "/token?scope=repository%3Aapp%3Apull&service=registry"
        assert [asked.authorization for asked in registry.asked if asked.path.startswith("/v2/")] == [
            None,
            "Bearer t0ken",
            "Bearer t0ken",
        ]


def test_credentials_do_not_follow_redirects(tmp_path: Path) -> None:
    """A redirect to another host is followed without authorization; to one that is not allowed, not at all."""
    with oci.serving([("v", MADE)]) as registry, oci.serving([("v", MADE)]) as mirror:
        registry.token = "t0ken"
        registry.blobs_at = f"http://{mirror.address}"
        egress = Egress(credentials={registry.address: "user:secret"})
        uri = f"{registry.address}/app:v"

        async def work(images: Images) -> None:
            await images.unpacked(await images.resolve(uri))

        with_images(tmp_path / "a", work, egress)
        assert mirror.asked
        assert {asked.authorization for asked in mirror.asked} == {None}
        for elsewhere in ("http://169.254.169.254", "https://elsewhere.example", "file:///etc"):
            registry.blobs_at = elsewhere
            assert trouble_of(tmp_path / "b", uri, egress) is Trouble.NOT_ALLOWED
        registry.blobs_at = ""
        registry.asked.clear()
        assert trouble_of(tmp_path / "b", uri, egress) is Trouble.UNAVAILABLE
        assert len(registry.asked) < 16


def test_tokens_are_only_asked_for_where_allowed(tmp_path: Path) -> None:
    """Credentials are not sent to a token service that the configuration does not name."""
    with oci.serving([("v", MADE)]) as registry:
        registry.token, registry.realm = "t0ken", "http://169.254.169.254/token"
        egress = Egress(credentials={registry.address: "user:secret"})
        assert trouble_of(tmp_path, f"{registry.address}/app:v", egress) is Trouble.NOT_ALLOWED


@pytest.mark.parametrize(
    ("uri", "trouble"),
    [
        ("app:v", Trouble.NOT_A_REFERENCE),
        ("registry.example/app:v", Trouble.NOT_ALLOWED),
        ("oci:/etc", Trouble.NOT_ALLOWED),
        ("oci:{place}/nothing", Trouble.MISSING),
        ("oci-archive:{place}/nothing", Trouble.MISSING),
        ("docker-archive:{place}/text", Trouble.INVALID),
        ("docker-archive:{place}", Trouble.MISSING),
        ("oci:{place}/layout", Trouble.MISSING),
        ("oci:{place}/layout:three", Trouble.MISSING),
        ("docker-archive:{place}/docker.tar", Trouble.MISSING),
        ("docker-archive:{place}/oci.tar", Trouble.MISSING),
    ],
)
def test_what_cannot_be_found_has_its_error(uri: str, trouble: Trouble, tmp_path: Path) -> None:
    """A wrong name, a place that may not be read, a file of another kind, and a name that is not unique are refused."""
    both = {"one": MADE, "two": OTHER}
    oci.write_layout(tmp_path / "layout", both)
    oci.write_archive(tmp_path / "oci.tar", both)
    oci.write_docker_archive(tmp_path / "docker.tar", both)
    (tmp_path / "text").write_text("no tar" * 1000)
    assert trouble_of(tmp_path, uri.format(place=tmp_path)) is trouble


WORDS = [
    "manifests",
    "mediaType",
    "digest",
    "annotations",
    "Config",
    "RepoTags",
    "Layers",
    "org.opencontainers.image.ref.name",
]
SCALARS = (
    st.none()
    | st.integers()
    | st.sampled_from([oci.MANIFEST, oci.INDEX, MADE.digest, "c.json", "l.tar", "v", "sha256:x", "../x"])
)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(ANY)
def test_any_index_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    """Whatever stands in the index of a layout or in a docker archive's list, the answer is an image or an ImageError."""
    place = tmp_path_factory.mktemp("any")
    layout = oci.write_layout(place / "layout", {"v": MADE})
    text = json.dumps(document).encode()
    (layout / "index.json").write_bytes(text)
    entries = [file("manifest.json", text), file("c.json", MADE.config), file("l.tar", LOWER)]
    (place / "docker.tar").write_bytes(layer(*entries))

    async def work(images: Images) -> None:
        for uri in (
            f"oci:{layout}",
            f"oci:{layout}:v",
            f"docker-archive:{place}/docker.tar",
            f"docker-archive:{place}/docker.tar:v",
        ):
            with contextlib.suppress(ImageError):
                await images.resolve(uri)

    with_images(place, work)


def test_links_of_a_layout_are_not_followed(tmp_path: Path) -> None:
    """A layout cannot make midge read a file elsewhere by a link in the place of a blob, nor hang on a pipe."""
    place = oci.write_layout(tmp_path / "layout", {"one": MADE})
    index = place / "index.json"
    index.rename(tmp_path / "elsewhere.json")
    index.symlink_to(tmp_path / "elsewhere.json")
    assert trouble_of(tmp_path, f"oci:{place}") is Trouble.MISSING
    index.unlink()
    os.mkfifo(index)
    assert trouble_of(tmp_path, f"oci:{place}") is Trouble.MISSING


def test_names_in_a_docker_archive_may_be_written_out(tmp_path: Path) -> None:
    """skopeo writes the whole name where docker writes a short one; both name the same image."""
    archive = oci.write_docker_archive(tmp_path / "docker.tar", {"docker.io/library/one": MADE, "two": OTHER})
    for name in ("one:latest", "docker.io/library/one:latest"):
        image = with_images(tmp_path, lambda images, name=name: images.resolve(f"docker-archive:{archive}:{name}"))
        assert image.command == ("x",)
