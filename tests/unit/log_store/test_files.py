"""The log store on disk: what is appended is found by time, survives a crash, and goes when its time has come."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.log_store import reading
from midge.log_store.blocks import FOOTER_BYTES, BlockTimes, encode_event
from midge.log_store.files import LogFiles
from midge.log_store.reading import EventRange, LogReader, StoredEvent
from midge.model.limits import Limits
from midge.model.logs import DAY_MS, LogGroup, LogGroupId

GROUP = LogGroupId(account="123456789012", region="eu-west-1", name="/aws/lambda/work")
NOW = 1_800_000_000_000
LIMITS = Limits()


def append(
    files: LogFiles, stream: str, events: list[tuple[int, str]], group: LogGroupId = GROUP, now: int = NOW
) -> int:
    times = BlockTimes()
    for moment, _ in events:
        times.add(moment, moment)
    lines = b"".join(encode_event(moment, message) for moment, message in events)
    return files.append(group, stream, lines, times, now)[1]


def read(root: Path, group: LogGroupId = GROUP, **wanted: Any) -> list[StoredEvent]:
    descending = wanted.pop("descending", False)
    reader = LogReader(root, LIMITS)
    return list(reader.events(reader.streams(group), EventRange(**wanted), descending=descending))


def texts(events: list[StoredEvent]) -> list[str]:
    return [event.message for event in events]


BLOCKS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.lists(st.integers(1, 40), min_size=1, max_size=4)), max_size=12
)


@given(
    blocks=BLOCKS, start=st.integers(0, 42), end=st.integers(0, 42), descending=st.booleans(), cut=st.integers(0, 40)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_events_are_found_by_time(
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[tuple[str, list[int]]],
    start: int,
    end: int,
    descending: bool,
    cut: int,
) -> None:
    """Any range of time, from any place on and in either direction, is what sorting all events would give; through
    many files, whatever the order of writing.
    """
    root = tmp_path_factory.mktemp("logs")
    files = LogFiles(root, Limits(log_stream_file_bytes=300, log_stream_files=100))
    everything: list[tuple[int, str, int]] = []
    for stream, moments in blocks:
        address = append(files, stream, [(moment, "m") for moment in moments])
        everything += [(moment, stream, address + number) for number, moment in enumerate(moments)]
    files.close()
    expected = sorted((key for key in everything if start <= key[0] < end), reverse=descending)
    found = read(root, start_ms=start, end_ms=end, descending=descending)
    assert [event.key for event in found] == expected
    if expected:
        place = expected[cut % len(expected)]
        after, before = (None, place) if descending else (place, None)
        rest = read(root, start_ms=start, end_ms=end, descending=descending, after=after, before=before)
        assert [event.key for event in rest] == expected[cut % len(expected) + 1 :]


def test_a_write_cut_short_anywhere_loses_no_earlier_event(tmp_path: Path) -> None:
    """Wherever a crash cuts the last block, the events before it are read, and the next ones are appended behind them."""
    files = LogFiles(tmp_path / "whole", LIMITS)
    append(files, "s", [(1, "kept")])
    files.sync()
    (path,) = (tmp_path / "whole").rglob("*.log")
    before = path.stat().st_size
    append(files, "s", [(2, "cut"), (3, "too")])
    files.close()
    data = path.read_bytes()
    settings_file = next((tmp_path / "whole").rglob("group.json"))
    for end in range(before, len(data)):
        root = tmp_path / str(end)
        copy = root / path.relative_to(tmp_path / "whole")
        copy.parent.mkdir(parents=True)
        copy.write_bytes(data[:end])
        (copy.parent / settings_file.name).write_bytes(settings_file.read_bytes())
        assert texts(read(root)) == ["kept"]
        again = LogFiles(root, LIMITS)
        append(again, "s", [(4, "next")])
        again.close()
        assert texts(read(root)) == ["kept", "next"]


@pytest.mark.parametrize("size", [0, 1, 20])
def test_a_file_without_a_whole_head_begins_anew(tmp_path: Path, size: int) -> None:
    """A crash while a file was being made leaves nothing that stands in the way."""
    files = LogFiles(tmp_path, LIMITS)
    append(files, "s", [(1, "gone")])
    files.close()
    (path,) = tmp_path.rglob("*.log")
    path.write_bytes(path.read_bytes()[:size])
    assert read(tmp_path) == []
    again = LogFiles(tmp_path, LIMITS)
    append(again, "s", [(2, "new")])
    again.close()
    assert texts(read(tmp_path)) == ["new"]


def test_a_damaged_block_does_not_hide_the_others(tmp_path: Path) -> None:
    """Events whose checksum is wrong are left out; those around them are read."""
    files = LogFiles(tmp_path, LIMITS)
    for number in range(3):
        append(files, "s", [(number, f"message-{number}")])
    files.close()
    (path,) = tmp_path.rglob("*.log")
    path.write_bytes(path.read_bytes().replace(b"message-1", b"message-X"))
    assert texts(read(tmp_path)) == ["message-0", "message-2"]


def test_reading_by_time_leaves_the_rest_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short range of time in a long stream is read from few blocks."""
    files = LogFiles(tmp_path, Limits(log_stream_file_bytes=10_000, log_stream_files=1_000))
    for number in range(1_000):
        append(files, "s", [(number, "x" * 40)])
    files.close()
    decoded: list[int] = []
    decode = reading.decode_lines
    monkeypatch.setattr(reading, "decode_lines", lambda lines: decoded.append(len(lines)) or decode(lines))
    assert [event.timestamp for event in read(tmp_path, start_ms=500, end_ms=510)] == list(range(500, 510))
    assert len(decoded) <= 12
    decoded.clear()
    reader = LogReader(tmp_path, LIMITS)
    newest = reader.events(reader.streams(GROUP), EventRange(), descending=True)
    assert [next(newest).timestamp for _ in range(3)] == [999, 998, 997]
    assert len(decoded) <= 5


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    """One reader sees what is appended after it has looked, also where files are set aside meanwhile."""
    files = LogFiles(tmp_path, Limits(log_stream_file_bytes=400, log_stream_files=100))
    reader = LogReader(tmp_path, LIMITS)
    for number in range(60):
        append(files, "s", [(number, str(number))])
        found = reader.events(reader.streams(GROUP), EventRange(start_ms=number - 2))
        assert [event.timestamp for event in found] == list(range(max(0, number - 2), number + 1))
    files.close()


def test_a_file_set_aside_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    """Who has looked at a stream reads what was there then, even when its file gets another name."""
    files = LogFiles(tmp_path, Limits(log_stream_file_bytes=200, log_stream_files=100))
    append(files, "s", [(1, "x" * 100)])
    reader = LogReader(tmp_path, LIMITS)
    streams = reader.streams(GROUP)
    for number in range(3):
        append(files, "s", [(2 + number, "y" * 100)])
    assert [event.timestamp for event in reader.events(streams, EventRange())] == [1]
    files.close()


def test_a_stream_keeps_a_bounded_number_of_files(tmp_path: Path) -> None:
    """Of a stream that is written without end the oldest events go; what is left is in order and ends with the last."""
    files = LogFiles(tmp_path, Limits(log_stream_file_bytes=500, log_stream_files=3))
    for number in range(100):
        append(files, "s", [(number, "0123456789")])
    files.close()
    moments = [event.timestamp for event in read(tmp_path)]
    assert moments == list(range(moments[0], 100))
    assert 5 < len(moments) < 30
    assert len(list(tmp_path.rglob("*.log"))) == 3


def test_the_directory_is_kept_under_its_limit(tmp_path: Path) -> None:
    """When all streams together exceed the limit, the files written longest ago are deleted."""
    files = LogFiles(tmp_path, Limits(log_directory_bytes=5_000))
    for number in range(60):
        append(files, f"s{number:02}", [(number, "x" * 50)])
        files.sync()
    files.close()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.log")) <= 5_000 + 5_000 // 16 + 300
    names = [stream.name for stream in LogReader(tmp_path, LIMITS).streams(GROUP)]
    assert "s59" in names
    assert "s00" not in names


def test_many_streams_do_not_hold_many_files_open(tmp_path: Path) -> None:
    """However many streams are written, few descriptors are open, and nothing is lost."""
    files = LogFiles(tmp_path, LIMITS)
    for number in itertools.chain(range(200), range(200)):
        append(files, str(number), [(1, "m")])
    assert len(list(Path("/proc/self/fd").iterdir())) < 150
    files.sync()
    files.close()
    assert len(read(tmp_path)) == 400


def test_names_cannot_leave_the_directory(tmp_path: Path) -> None:
    """Whatever an account, a region, a group or a stream is called, it is below the log directory and keeps its name."""
    files = LogFiles(tmp_path / "logs", LIMITS)
    for name in ("../../etc/passwd", "..", ".", "a/b", "2026/11/23/[$LATEST]ab", "ä%2F", "@", "x" * 512, "é" * 512):
        group = LogGroupId(account=name, region=name, name=name)
        append(files, name, [(1, "m")], group)
        reader = LogReader(tmp_path / "logs", LIMITS)
        assert [stream.name for stream in reader.streams(group)] == [name]
        assert [stream.name for stream in reader.streams(group, name)] == [name]
        assert [found.name for found in reader.groups(name, name)] == [name]
    files.close()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_accounts_and_regions_are_strangers(tmp_path: Path) -> None:
    """A group of the same name in another account or region is another one."""
    files = LogFiles(tmp_path, LIMITS)
    other = LogGroupId(account="210987654321", region="eu-west-1", name=GROUP.name)
    append(files, "s", [(1, "mine")])
    append(files, "s", [(1, "theirs")], other)
    files.close()
    assert texts(read(tmp_path)) == ["mine"]
    assert texts(read(tmp_path, other)) == ["theirs"]


def test_a_group_is_what_it_was_made_as(tmp_path: Path) -> None:
    """A group's settings outlive the process; making it again is refused, deleting it deletes all that is in it."""
    files = LogFiles(tmp_path, LIMITS)
    made = LogGroup(name=GROUP.name, created_ms=5, retention_days=7, tags={"team": "a"})
    assert files.create_group(GROUP, made)
    assert not files.create_group(GROUP, made)
    assert files.create_stream(GROUP, "empty", 6)
    assert not files.create_stream(GROUP, "empty", 7)
    append(files, "s", [(1, "m")])
    files.close()
    again = LogFiles(tmp_path, LIMITS)
    assert again.group(GROUP) == made
    (empty, full) = LogReader(tmp_path, LIMITS).streams(GROUP)
    assert (empty.name, empty.created_ms, empty.last_ms) == ("empty", 6, None)
    assert (full.name, full.first_ms, full.last_ms, full.ingested_ms) == ("s", 1, 1, NOW)
    assert again.delete_stream(GROUP, "s")
    assert not again.delete_stream(GROUP, "s")
    assert [stream.name for stream in LogReader(tmp_path, LIMITS).streams(GROUP)] == ["empty"]
    assert again.delete_group(GROUP)
    assert not again.delete_group(GROUP)
    assert LogReader(tmp_path, LIMITS).groups(GROUP.account, GROUP.region) == []
    append(again, "s", [(2, "after")])
    assert texts(read(tmp_path)) == ["after"]
    again.close()


def test_retention_deletes_what_has_expired(tmp_path: Path) -> None:
    """A file goes with its last event; a stream of CreateLogStream stays, and its addresses go on from where they were."""
    files = LogFiles(tmp_path, Limits(log_stream_file_bytes=300, log_stream_files=100))
    files.create_group(GROUP, LogGroup(name=GROUP.name, created_ms=0, retention_days=3))
    files.create_stream(GROUP, "made", 0)
    old = append(files, "made", [(NOW - 4 * DAY_MS, "old")])
    append(files, "written", [(NOW - 4 * DAY_MS, "old")])
    for day in range(6, 0, -1):
        append(files, "long", [(NOW - day * DAY_MS, "x" * 200)])
    files.expire(NOW)
    streams = LogReader(tmp_path, LIMITS).streams(GROUP)
    assert [(stream.name, stream.first_ms) for stream in streams] == [("long", NOW - 3 * DAY_MS), ("made", None)]
    assert append(files, "made", [(NOW, "new")]) > old
    append(files, "written", [(NOW, "new")])
    files.close()
    assert texts(read(tmp_path, start_ms=NOW)) == ["new", "new"]


def test_a_block_is_one_write_with_its_footer(tmp_path: Path) -> None:
    """What is appended takes its events' lines and one footer, no more: small writes stay small."""
    files = LogFiles(tmp_path, LIMITS)
    append(files, "s", [(1, "m")])
    (path,) = tmp_path.rglob("*.log")
    before = path.stat().st_size
    append(files, "s", [(2, "m")])
    assert path.stat().st_size - before == len(encode_event(2, "m")) + FOOTER_BYTES
    files.close()
