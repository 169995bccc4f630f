"""Zips laid over each other: which file wins, and that nothing is written or reached through a link of another zip."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.blobs.paths import UnsafePathError
from midge.blobs.unpacking import unpack
from midge.blobs.zips import check_zip, extensions, unzipped_bytes
from midge.model.errors import ServiceError
from midge.model.limits import Limits

LIMITS = Limits(package_unzipped_bytes=100_000)
FILE, DIRECTORY, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK


def zip_of(entries: dict[str, str | None]) -> bytes:
    """Files by name; a name that ends in a slash is a directory, a content that begins with -> makes a link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            info, text = zipfile.ZipInfo(name), content or ""
            kind = DIRECTORY if name.endswith("/") else LINK if text.startswith("->") else FILE
            info.external_attr = (kind | 0o755) << 16
            archive.writestr(info, text.removeprefix("->"))
    return buffer.getvalue()


def tree(place: Path) -> dict[str, str]:
    """What lies below ``place``, in the notation of ``zip_of``; empty directories only."""
    found: dict[str, str] = {}
    for path in place.rglob("*"):
        name = str(path.relative_to(place))
        if path.is_symlink():
            found[name] = f"->{path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
        elif not any(path.iterdir()):
            found[f"{name}/"] = ""
    return found


@pytest.mark.parametrize(
    ("layers", "together"),
    [
        ([{"a": "1"}], {"a": "1"}),
        ([{"a": "1", "b": "1"}, {"a": "2", "c": "2"}], {"a": "2", "b": "1", "c": "2"}),
        ([{"a": "1"}, {"a": "2"}, {"a": "3"}], {"a": "3"}),
        ([{"d/a": "1"}, {"d/b": "2"}], {"d/a": "1", "d/b": "2"}),
        ([{"d/": ""}, {"d/b": "2"}], {"d/b": "2"}),
        ([{"d/b": "1"}, {"d/": ""}], {"d/b": "1"}),
        ([{"d/a": "1", "d/e/f": "1"}, {"d": "2"}], {"d": "2"}),
        ([{"d": "1"}, {"d/a": "2"}], {"d/a": "2"}),
        ([{"d": "1"}, {"d/": ""}], {"d/": ""}),
        ([{"d/a": "1", "l": "->d"}, {"l/b": "2"}], {"d/a": "1", "l/b": "2"}),
        ([{"d/a": "1"}, {"d": "->e", "e/a": "2"}], {"d": "->e", "e/a": "2"}),
        ([{"a": "1", "l": "->a"}, {"l": "2"}], {"a": "1", "l": "2"}),
        ([{"l": "->a", "a": "1"}, {"a": "2"}], {"l": "->a", "a": "2"}),
        ([{"l": "->gone"}, {"gone": "2"}], {"l": "->gone", "gone": "2"}),
    ],
)
def test_the_later_zip_wins(tmp_path: Path, layers: list[dict[str, str | None]], together: dict[str, str]) -> None:
    """Files of all zips are there; under one name the last one's, whatever it is, and links are replaced, not followed."""
    unpack([zip_of(layer) for layer in layers], tmp_path / "p", LIMITS)
    assert tree(tmp_path / "p") == together


@pytest.mark.parametrize(
    "layers",
    [
        [{"x/y/": "", "l": "->x/y/../.."}, {"x": "->."}],
        [{"a": "->b"}, {"b": "->a"}],
    ],
)
def test_links_that_lead_out_only_together_are_refused(tmp_path: Path, layers: list[dict[str, str | None]]) -> None:
    """Two zips that are fine alone are refused together when their links lead out, or in circles; nothing is left."""
    zips = [zip_of(layer) for layer in layers]
    for number, data in enumerate(zips):
        check_zip(data, LIMITS)
        unpack([data], tmp_path / str(number), LIMITS)
    with pytest.raises(UnsafePathError):
        unpack(zips, tmp_path / "p", LIMITS)
    assert not (tmp_path / "p").exists()


def test_all_zips_together_have_one_limit(tmp_path: Path) -> None:
    """The files that are written count together; what a later zip replaces is not written."""
    half = "x" * 60_000
    unpack([zip_of({"a": half}), zip_of({"a": half})], tmp_path / "p", LIMITS)
    with pytest.raises(ServiceError, match="Unzipped size must be smaller than 100000 bytes"):
        unpack([zip_of({"a": half}), zip_of({"b": half})], tmp_path / "q", LIMITS)
    assert not (tmp_path / "q").exists()


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ({"python/a.py": "x"}, ()),
        ({"extensions/": ""}, ()),
        ({"extensions/deep/x": "x"}, ()),
        ({"lib/extensions/x": "x"}, ()),
        ({"extensions": "x"}, ()),
        ({"extensions/b": "x", "extensions/a": "->b", "extensions/deep/x": ""}, ("a", "b")),
    ],
)
def test_extensions_are_found(entries: dict[str, str | None], found: tuple[str, ...]) -> None:
    """External extensions are the files directly in the directory of that name, links included."""
    assert extensions(check_zip(zip_of(entries), LIMITS)) == found


def test_the_unzipped_size_is_that_of_the_files() -> None:
    """Directories and links take nothing."""
    assert unzipped_bytes(check_zip(zip_of({"d/": "", "d/a": "12345", "b": "678", "l": "->b"}), LIMITS)) == 8


PARTS = st.sampled_from(["a", "b", "..", "l", "m"])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
LAYERS = st.dictionaries(NAMES, st.one_of(st.just("content"), NAMES.map("->{}".format)), min_size=1, max_size=4)


@settings(deadline=None, max_examples=300)
@given(layers=st.lists(LAYERS, min_size=2, max_size=3))
def test_no_combination_reaches_outside(
    tmp_path_factory: pytest.TempPathFactory, layers: list[dict[str, str | None]]
) -> None:
    """Whatever zips are accepted, all that their combination writes lies inside, and so does all that its links name."""
    zips = [zip_of(layer) for layer in layers]
    outer = tmp_path_factory.mktemp("outer")
    place = outer / "p"
    try:
        for data in zips:
            check_zip(data, LIMITS)
        unpack(zips, place, LIMITS)
    except (ServiceError, UnsafePathError):
        assert list(outer.iterdir()) == []
        return
    assert [path.name for path in outer.iterdir()] == ["p"]
    for path in place.rglob("*"):
        resolved = Path(os.path.realpath(path))
        assert resolved == place or place in resolved.parents, path
