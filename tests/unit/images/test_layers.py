"""Layers laid over each other: what becomes of each kind of entry, and what hostile ones cannot do."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from harness import oci
from harness.oci import directory, file, layer, link, special
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.images.errors import ImageError, Trouble
from midge.images.layers import Unpacker, prepare_places
from midge.images.paths import PathError, place_of
from midge.images.streams import Halt
from midge.model.limits import Limits


def unpack(place: Path, *layers: bytes, limits: Limits | None = None) -> Path:
    root = place / "root"
    root.mkdir()
    unpacker = Unpacker(root, limits or Limits(), Halt())
    for data in layers:
        unpacker.apply(io.BytesIO(data))
    return root


def shown(root: Path) -> dict[str, str]:
    """Every path with what is there: a file's text, a link's target, "/" for a directory."""
    found: dict[str, str] = {}
    for above, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = Path(above, name)
            what = f"-> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else path.read_text()
            found[str(path.relative_to(root))] = what
    return found


CASES: dict[str, tuple[list[bytes], dict[str, str]]] = {
    "a later file replaces an earlier one": ([layer(file("a", b"1")), layer(file("a", b"2"))], {"a": "2"}),
    "directories are made where none is said": ([layer(file("a/b/c", b"1"))], {"a": "/", "a/b": "/", "a/b/c": "1"}),
    "names may begin with a slash or a dot": ([layer(file("/a", b"1"), file("./b", b"2"))], {"a": "1", "b": "2"}),
    "a directory keeps what it has": (
        [layer(directory("a"), file("a/b", b"1")), layer(directory("a", 0o700))],
        {"a": "/", "a/b": "1"},
    ),
    "a file takes the place of a directory": ([layer(file("a/b", b"1")), layer(file("a", b"2"))], {"a": "2"}),
    "a directory takes the place of a file": ([layer(file("a", b"1")), layer(file("b"), directory("a"))], {"a": "/", "b": ""}),
    "a link takes the place of a directory": ([layer(file("a/b")), layer(link("a", "c"))], {"a": "-> c"}),
    "a whiteout hides a file": ([layer(file("a"), file("b")), layer(file(".wh.a"))], {"b": ""}),
    "a whiteout hides a directory": ([layer(file("a/b/c"), file("d")), layer(file("a/.wh.b"))], {"a": "/", "d": ""}),
    "a whiteout of nothing is nothing": ([layer(file("a")), layer(file(".wh.b"))], {"a": ""}),
    "a whiteout spares its own layer": ([layer(file("a", b"1")), layer(file("a", b"2"), file(".wh.a"))], {"a": "2"}),
    "a whiteout spares what its own layer has below": (
        [layer(file("a/old")), layer(file("a/new"), file(".wh.a"))],
        {"a": "/", "a/new": ""},
    ),
    "an opaque directory hides what is below": (
        [layer(file("a/b"), file("a/c/d")), layer(file("a/e"), file("a/.wh..wh..opq"))],
        {"a": "/", "a/e": ""},
    ),
    "an opaque directory may say so first": (
        [layer(file("a/b")), layer(file("a/.wh..wh..opq"), file("a/e"))],
        {"a": "/", "a/e": ""},
    ),
    "other notes of a union file system are left out": ([layer(file("a"), file(".wh..wh.plnk"))], {"a": ""}),
    "links of layers below are followed inside": (
        [layer(directory("usr/lib"), link("lib", "usr/lib")), layer(file("lib/a", b"1"))],
        {"usr": "/", "usr/lib": "/", "usr/lib/a": "1", "lib": "-> usr/lib"},
    ),
    "absolute links are followed inside": (
        [layer(directory("usr/lib"), link("lib", "/usr/lib"), file("lib/a", b"1"))],
        {"usr": "/", "usr/lib": "/", "usr/lib/a": "1", "lib": "-> /usr/lib"},
    ),
    "devices and pipes are left out": (
        [layer(special("null", tarfile.CHRTYPE), special("sda", tarfile.BLKTYPE), special("p", tarfile.FIFOTYPE), file("a"))],
        {"a": ""},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layers_are_laid_over_each_other(name: str, tmp_path: Path) -> None:
    """Each rule of the specification about entries, whiteouts and links holds."""
    layers, expected = CASES[name]
    assert shown(unpack(tmp_path, *layers)) == expected


def test_hard_links_share_a_file(tmp_path: Path) -> None:
    """A hard link is the same file, also to a link and across layers, and replacing one name leaves the other."""
    first = layer(file("a", b"1"), link("b", "a", hard=True), link("s", "a"), link("t", "s", hard=True))
    root = unpack(tmp_path, first, layer(file("a", b"2"), link("c", "b", hard=True)))
    assert shown(root) == {"a": "2", "b": "1", "c": "1", "s": "-> a", "t": "-> a"}
    assert (root / "b").stat().st_ino == (root / "c").stat().st_ino


def test_modes_are_kept_without_set_user_id(tmp_path: Path) -> None:
    """Modes are the image's, but nothing is set-user-id and midge can enter and remove every directory."""
    root = unpack(
        tmp_path, layer(file("su", b"", 0o6755), file("x", b"", 0o500), directory("d", 0o1777), directory("e", 0o055))
    )
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in root.iterdir()}
    assert modes == {"su": 0o755, "x": 0o500, "d": 0o1777, "e": 0o755}


def test_times_are_kept(tmp_path: Path) -> None:
    """A file is as old as the image says, so that compiled Python beside its source stays valid."""
    assert (unpack(tmp_path, layer(file("a"))) / "a").stat().st_mtime == 1_600_000_000


def sparse(name: str, size: int) -> bytes:
    """A layer with a GNU sparse file that claims to be of any size and holds nothing."""
    head = tarfile.TarInfo(name)
    head.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(head.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % size
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:512]))
    return bytes(block) + bytes(1024)


def long_header(size: int) -> bytes:
    """A layer whose first entry says that its extended header is of this size."""
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, size
    return head.tobuf() + bytes(6 << 20)


def extended(headers: str, *, depth: int = 1) -> bytes:
    """A layer whose one file comes behind so many extended headers with this content."""
    records = headers.encode()
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, len(records)
    return (head.tobuf() + records + bytes(-len(records) % 512)) * depth + layer(file("a", b"x" * 600))


def record(name: str, value: str) -> str:
    """One record of an extended header."""
    text = f" {name}={value}\n"
    size = len(text) + 2
    return f"{size}{text}" if len(f"{size}{text}") == size else f"{size + 1}{text}"


SMALL = Limits(image_files=4, image_path_bytes=64, image_bytes=1 << 20)
HOSTILE: dict[str, list[bytes]] = {
    "a name that climbs": [layer(file("../outside"))],
    "a name that climbs inside": [layer(file("a/../../outside"))],
    "a name that climbs through a directory": [layer(directory("a/.."))],
    "a whiteout that climbs": [layer(file("a/../.wh.outside"))],
    "a whiteout of the directory above": [layer(file("a/.wh..."))],
    "a whiteout of nothing at all": [layer(file(".wh."))],
    "a hard link that climbs": [layer(link("a", "../outside", hard=True))],
    "a hard link to nothing": [layer(link("a", "b", hard=True))],
    "a hard link to a directory": [layer(directory("d"), link("a", "d", hard=True))],
    "a file below a file": [layer(file("a"), file("a/b"))],
    "links in a circle": [layer(link("a", "b"), link("b", "a"), file("a/c"))],
    "too many entries": [layer(*(file(f"f{number}") for number in range(3))), layer(file("g"), file("h"))],
    "a name that is too long": [layer(file("a/" * 40 + "b"))],
    "a file name that no file system takes": [layer(file("n" * 300))],
    "a header that is too long": [long_header(1 << 33)],
    "a sparse file that is too large": [sparse("s", 1 << 32)],
    "a tar that ends early": [layer(file("a", b"x" * 5000))[:2000]],
    "extended headers of extended headers": [extended(record("comment", "x"), depth=2000)],
    "a sparse map of words": [extended(record("GNU.sparse.map", "a,b") + record("GNU.sparse.size", "9"))],
    "a time without end": [extended(record("mtime", "inf"))],
    "a time that is none": [extended(record("mtime", "nan"))],
    "no tar": [b"no tar at all" * 100],
    "an unknown kind": [layer(special("a", b"Z"), file("b"))],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_layers_are_refused(name: str, tmp_path: Path) -> None:
    """A layer that climbs out, lies or is too much of anything is invalid, and nothing outside has changed."""
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    with pytest.raises(ImageError) as caught:
        unpack(tmp_path, *HOSTILE[name], limits=Limits() if name == "a file name that no file system takes" else SMALL)
    assert caught.value.trouble is Trouble.INVALID
    assert outside.read_text() == "untouched"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "root"]


@pytest.mark.parametrize(
    "target", ["{outside}", "/../../../..{outside}", "../../../../../../../..{outside}", "l/../{outside}"]
)
@pytest.mark.parametrize("last", [True, False])
def test_links_cannot_be_written_through(target: str, last: bool, tmp_path: Path) -> None:
    """Whatever a link in an image points at, what is written through it stays inside, and so does what is removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("untouched")
    there = target.format(outside=outside)
    name = "l" if last else "l/kept"
    layers = [
        layer(link("l", there)),
        layer(file(name, b"changed")),
        layer(file(".wh.kept"), file("l2")),
        layer(file("l/.wh.kept")),
    ]
    try:
        unpack(tmp_path, *layers[: 3 if last else 4])
    except ImageError as error:
        assert error.trouble is Trouble.INVALID  # noqa: PT017
    assert shown(outside) == {"kept": "untouched"}


def test_a_file_is_never_written_into(tmp_path: Path) -> None:
    """A hard link made earlier does not lead later content into the file that it shares."""
    root = unpack(tmp_path, layer(file("shadow", b"secret"), link("a", "shadow", hard=True), file("a", b"new")))
    assert shown(root) == {"shadow": "secret", "a": "new"}


def test_directories_do_not_nest_without_end(tmp_path: Path) -> None:
    """Links make short names of deep places; the depth is bounded all the same."""
    entries = [directory("d/" * 100)]
    entries += [link("s", "d/" * 100), directory("s/" + "e/" * 60)]
    with pytest.raises(ImageError, match="too deep"):
        unpack(tmp_path, layer(*entries))


def test_work_can_be_called_off(tmp_path: Path) -> None:
    """Once stopped, unpacking ends with the reason."""
    halt = Halt()
    halt.stop("enough")
    with pytest.raises(ImageError, match="enough"):
        Unpacker(tmp_path, Limits(), halt).apply(io.BytesIO(layer(file("a"))))


NAMES = st.lists(
    st.sampled_from(["a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq", "..", "."]), min_size=1, max_size=4
).map("/".join)
ENTRIES = st.one_of(
    NAMES.map(lambda name: file(name, b"x")),
    NAMES.map(directory),
    st.builds(link, NAMES, st.one_of(NAMES, NAMES.map(lambda name: f"/{name}"), st.just("../../../outside"))),
    st.builds(link, NAMES, NAMES, hard=st.just(True)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ENTRIES, max_size=6), max_size=3))
def test_no_layers_reach_outside(tmp_path_factory: pytest.TempPathFactory, layers: list[list[oci.Entry]]) -> None:
    """Any layers are unpacked or refused, and what lies beside the root is as it was."""
    place = tmp_path_factory.mktemp("layers")
    (place / "outside").mkdir()
    (place / "outside" / "a").write_text("untouched")
    try:
        unpack(place, *(layer(*entries) for entries in layers))
    except ImageError as error:
        assert error.trouble is Trouble.INVALID  # noqa: PT017
    assert shown(place / "outside") == {"a": "untouched"}
    assert sorted(path.name for path in place.iterdir()) == ["outside", "root"]


WHOLE = layer(
    directory("d"), file("d/a", b"x" * 700), link("s", "d/a"), link("h", "d/a", hard=True), file("n" * 120, b"y")
)
EDITS = st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=12)), max_size=6)


@settings(max_examples=200, deadline=None)
@given(EDITS, st.integers(0, len(WHOLE)))
def test_a_damaged_tar_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes]], length: int
) -> None:
    """Whatever bytes of a tar are changed, and wherever it ends, the answer is a root or the error that is for it."""
    data = bytearray(WHOLE)
    for place, piece in edits:
        data[place : place + len(piece)] = piece
    for start in range(0, len(data) - 512, 512):  # so that damaged headers are read all the same
        if bytes(data[start + 257 : start + 262]) == b"ustar":
            total = sum(data[start : start + 148]) + 8 * 32 + sum(data[start + 156 : start + 512])
            data[start + 148 : start + 156] = b"%06o\0 " % total
    where = tmp_path_factory.mktemp("damaged")
    try:
        unpack(where, bytes(data[:length] if length % 2 else data))
    except ImageError as error:
        assert error.trouble is Trouble.INVALID  # noqa: PT017
    assert [path.name for path in where.iterdir()] == ["root"]


def test_places_of_the_environment_are_made_real(tmp_path: Path) -> None:
    """Where an environment mounts its own there are real directories and files, whatever the image has there."""
    root = unpack(
        tmp_path,
        layer(link("proc", "/etc"), file("dev", b"x"), link("etc/hosts", "../a"), file("a", b"1"), directory("tmp")),
    )
    prepare_places(root)
    for name in ("proc", "dev", "tmp", "etc"):
        assert (root / name).is_dir()
        assert not (root / name).is_symlink()
    for name in ("etc/hosts", "etc/resolv.conf"):
        assert (root / name).read_text() == ""
        assert not (root / name).is_symlink()
    assert (root / "a").read_text() == "1"


def test_paths_are_seen_from_inside(tmp_path: Path) -> None:
    """A path leads where it would lead if the directory were the root; circles and files on the way are errors."""
    (tmp_path / "bin").symlink_to("/usr/bin")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/sh").symlink_to("../../../../bin/dash")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    assert place_of(tmp_path, "/bin/sh") == tmp_path / "usr/bin/dash"
    assert place_of(tmp_path, "/bin/sh", follow_last=False) == tmp_path / "usr/bin/sh"
    assert place_of(tmp_path, "../../..") == tmp_path
    for wrong in ("loop", "file/x"):
        with pytest.raises(PathError):
            place_of(tmp_path, wrong)
