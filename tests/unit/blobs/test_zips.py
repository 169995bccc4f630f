"""Hostile and honest zips: what is refused before it is stored, and what an accepted one becomes."""

import io
import os
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.blobs.paths import UnsafePathError, check_link, parse_path
from midge.blobs.unpacking import unpack
from midge.blobs.zips import check_zip
from midge.model.errors import ServiceError
from midge.model.limits import Limits

LIMITS = Limits(package_unzipped_bytes=100_000, package_files=20)
NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def zip_of(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile's own opinion of duplicates
        for info, content in entries:
            archive.writestr(info, content)
    return buffer.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    return entry(name, stat.S_IFLNK | 0o777), target.encode()


def file(name: str, content: bytes = b"x", mode: int = 0o644) -> tuple[zipfile.ZipInfo, bytes]:
    return entry(name, stat.S_IFREG | mode), content


def refusal(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ServiceError) as refused:
        check_zip(data, limits)
    assert refused.value.code == "InvalidParameterValueException"
    return refused.value.message


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """``data`` with a name replaced by one of equal length that ``zipfile`` would not write."""
    assert len(old) == len(new)
    return data.replace(old, new)


@pytest.mark.parametrize(
    "data",
    [b"no zip", b"PK\x05\x06", b"PK\x03\x04" + b"\0" * 100, zip_of(file("a"))[:-1], zip_of(file("a"))[10:]],
)
def test_what_is_no_zip_is_refused_in_awss_words(data: bytes) -> None:
    """Bytes that are no whole zip get AWS's sentence and nothing else."""
    assert refusal(data) == NOT_A_ZIP


@pytest.mark.parametrize("data", [b"", zip_of()])
def test_an_empty_zip_is_refused(data: bytes) -> None:
    """No bytes, and a zip without entries, are refused in AWS's words."""
    assert refusal(data) == "Uploaded file must be a non-empty zip"


def test_too_much_is_refused_by_declared_size() -> None:
    """A zip that declares more than the limit is refused; one of exactly the limit is not."""
    check_zip(zip_of(file("a", b"x" * 100_000)), LIMITS)
    message = refusal(zip_of(file("a", b"x" * 60_000), file("b", b"x" * 40_001)))
    assert message == "Unzipped size must be smaller than 100000 bytes"


def test_awss_limit_is_the_default() -> None:
    """Without configuration the limit in the message is AWS's 262144000 bytes."""
    one_too_many = zip_of(file("a", bytes(1024)))
    lying = one_too_many.replace(struct.pack("<L", 1024), struct.pack("<L", 262_144_001))
    assert refusal(lying, Limits()) == "Unzipped size must be smaller than 262144000 bytes"


def test_sizes_that_lie_are_refused() -> None:
    """An entry that holds more, or less, than it declares is refused: the real bytes are what counts."""
    honest = zip_of(file("a", b"x" * 5_000))
    for declared in (4_000, 6_000):
        lying = honest.replace(struct.pack("<L", 5_000), struct.pack("<L", declared))
        assert lying != honest
        assert refusal(lying) == NOT_A_ZIP


def test_impossible_ratios_are_refused() -> None:
    """Deflate cannot shrink more than about a thousandfold: whoever declares more has something in mind."""
    data = zip_of(file("a", b"x" * 10))
    lying = data.replace(struct.pack("<L", 10), struct.pack("<L", 90_000))
    assert "cannot be true" in refusal(lying)


def test_overlapping_entries_are_refused() -> None:
    """Many entries that share one piece of data, the quine of zip bombs, are refused."""
    info, content = file("aaaa", os.urandom(2_000))
    data = zip_of((info, content))
    directory = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    copies = [data[directory:end].replace(b"aaaa", f"aaa{number}".encode()) for number in range(5)]
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5, 5, sum(map(len, copies)), directory, 0)
    assert "overlap" in refusal(data[:directory] + b"".join(copies) + tail)


def test_too_many_entries_are_refused() -> None:
    """The number of entries is limited, whatever the end record says it is."""
    data = bytearray(zip_of(*(file(f"f{number}") for number in range(21))))
    end = data.rindex(b"PK\x05\x06")
    assert "more than 20 entries" in refusal(bytes(data))
    data[end + 8 : end + 12] = struct.pack("<2H", 1, 1)
    assert "more than 20 entries" in refusal(bytes(data))
    check_zip(zip_of(*(file(f"f{number}") for number in range(20))), LIMITS)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../evil", "leaves the package"),
        ("a/../../evil", "leaves the package"),
        ("a/..", "leaves the package"),
        ("/etc/evil", "is absolute"),
        ("a\\..\\evil", "a backslash"),
        ("x" * 256, "too long"),
        ("/".join(["x" * 100] * 11), "too long"),
    ],
)
def test_paths_that_leave_or_mislead_are_refused(name: str, says: str) -> None:
    """Climbing, absolute, overlong and backslashed paths are refused with the reason."""
    message = refusal(zip_of(file(name)))
    assert message.startswith(NOT_A_ZIP)
    assert says in message


def test_a_nul_in_a_path_is_refused() -> None:
    """A name that hides something behind a NUL is refused, though zipfile itself would cut it."""
    assert "NUL" in refusal(renamed(zip_of(file("app.pyZevil")), b"app.pyZevil", b"app.py\0evil"))


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("a/b", "a//b"), ("a", "a/"), ("a/", "a")])
def test_duplicates_are_refused(names: tuple[str, str]) -> None:
    """One path given twice, in whatever spelling, is refused."""
    with_zeros = zip_of(file("1" * len(names[0])), file("2" * len(names[1])))
    data = renamed(with_zeros, b"1" * len(names[0]), names[0].encode())
    assert "occurs twice" in refusal(renamed(data, b"2" * len(names[1]), names[1].encode()))


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_are_refused(kind: int) -> None:
    """Device files, pipes and sockets have no place in a package."""
    assert "neither a file" in refusal(zip_of((entry("dev", kind | 0o666), b"")))


@pytest.mark.parametrize(
    "entries",
    [
        (link("l", "../x"),),
        (link("l", "/etc/passwd"),),
        (link("l", ""),),
        (link("a/l", "../../x"),),
        (link("up", "sub/.."), link("l", "up/../x")),
        (link("a", "b"), link("b", "a")),
        (link("l", "l"),),
        (link("deep", "a/b"), link("l", "deep/../../../x")),
        (link("l", "sub"), file("l/evil")),
        (file("f"), file("f/g")),
    ],
)
def test_links_that_lead_out_are_refused(entries: tuple[tuple[zipfile.ZipInfo, bytes], ...]) -> None:
    """A link may not leave the package after resolution, run in circles, or have files below it."""
    assert refusal(zip_of(*entries)).startswith(NOT_A_ZIP)


def test_encrypted_and_exotic_entries_are_refused() -> None:
    """Encrypted entries and compression other than deflate are refused, with the reason."""
    data = bytearray(zip_of(file("a")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refusal(bytes(data))
    info, content = file("a")
    info.compress_type = zipfile.ZIP_LZMA
    assert "deflate" in refusal(zip_of((info, content)))


def test_what_an_honest_zip_becomes(tmp_path: Path) -> None:
    """Contents, execute bits, inner links and times are kept; modes are 0644 and 0755 whatever the zip and umask say."""
    data = zip_of(
        (entry("lib/", stat.S_IFDIR | 0o777), b""),
        file("./app.py", b"code", 0o600),
        file("bootstrap", b"#!", 0o4711),
        file("deep/er/x.so", b"so", 0o666),
        link("lib/x.so", "../deep/er/x.so"),
    )
    check_zip(data, LIMITS)
    old = os.umask(0o077)
    try:
        unpack([data], tmp_path / "p", LIMITS)
    finally:
        os.umask(old)
    found = {
        str(path.relative_to(tmp_path / "p")): stat.S_IMODE(path.lstat().st_mode)
        for path in (tmp_path / "p").rglob("*")
        if not path.is_symlink()
    }
    assert found == {
        "lib": 0o755, "deep": 0o755, "deep/er": 0o755, "app.py": 0o644, "bootstrap": 0o755, "deep/er/x.so": 0o644,
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "p").stat().st_mode) == 0o755
    assert (tmp_path / "p" / "lib" / "x.so").read_bytes() == b"so"
    assert (tmp_path / "p" / "app.py").stat().st_mtime == 315_532_800  # 1980, zipfile's default


def test_a_zip_without_modes_is_accepted(tmp_path: Path) -> None:
    """A zip made on Windows, which knows no modes, becomes plain readable files."""
    info, content = file("app.py", b"code")
    info.create_system, info.external_attr = 0, 0x20
    data = zip_of((info, content))
    check_zip(data, LIMITS)
    unpack([data], tmp_path / "p", LIMITS)
    assert stat.S_IMODE((tmp_path / "p" / "app.py").stat().st_mode) == 0o644


def test_a_failed_unpacking_leaves_nothing(tmp_path: Path) -> None:
    """When the content turns out broken on the way, the directory is gone again."""
    data = bytearray(zip_of(file("a", b"fine"), file("b", b"x" * 5_000)))
    data = data.replace(struct.pack("<L", 5_000), struct.pack("<L", 6_000))
    with pytest.raises(zipfile.BadZipFile):
        unpack([bytes(data)], tmp_path / "p", LIMITS)
    assert list(tmp_path.iterdir()) == []


PARTS = st.sampled_from(["a", "b", "..", ".", "", "l", "m"])
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("/".join)


@settings(deadline=None, max_examples=300)
@given(
    files=st.lists(NAMES, max_size=4),
    links=st.lists(st.tuples(NAMES, NAMES), max_size=4),
    absolute=st.booleans(),
)
def test_nothing_accepted_reaches_outside(
    tmp_path_factory: pytest.TempPathFactory, files: list[str], links: list[tuple[str, str]], absolute: bool
) -> None:
    """Whatever mixture of files and links is accepted, the kernel resolves every path in it to a place inside."""
    names = [("/" if absolute else "") + name for name in files]
    data = zip_of(*(file(name) for name in names), *(link(name, target) for name, target in links))
    try:
        check_zip(data, LIMITS)
    except ServiceError:
        return
    outer = tmp_path_factory.mktemp("outer")
    place = outer / "p"
    unpack([data], place, LIMITS)
    assert [path.name for path in outer.iterdir()] == ["p"]
    for path in place.rglob("*"):
        resolved = Path(os.path.realpath(path))
        assert resolved == place or place in resolved.parents, path


@given(name=st.text(max_size=40))
def test_a_parsed_path_is_made_of_plain_names(name: str) -> None:
    """A path is either refused or consists of components that go only downwards."""
    try:
        parts = parse_path(name, 1_024)
    except UnsafePathError:
        return
    for part in parts:
        assert part not in {"", ".", ".."}
        assert not set(part) & {"/", "\\", "\0"}


def test_a_link_to_a_place_that_is_not_there_is_kept() -> None:
    """A dangling link that points inside is allowed: the target may come with a layer's files or at run time."""
    check_link(("l",), "not/there", {("l",): "not/there"}, 1_024)
    with pytest.raises(UnsafePathError, match="leads out"):
        check_link(("l",), "not/../../there", {("l",): "not/../../there"}, 1_024)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400), where=st.integers(0, 300), what=st.binary(min_size=1, max_size=8))
def test_damage_is_refused_cleanly(data: bytes, where: int, what: bytes) -> None:
    """Random bytes and randomly damaged zips are either accepted or refused as a bad parameter: nothing else escapes."""
    good = bytearray(zip_of(file("app.py", b"x" * 100), link("l", "app.py")))
    good[where : where + len(what)] = what
    for candidate in (data, bytes(good)):
        codes = {"InvalidParameterValueException"}
        try:
            check_zip(candidate, LIMITS)
        except ServiceError as error:
            codes.add(error.code)
        assert codes == {"InvalidParameterValueException"}
