"""``midge logs``: what a function wrote, from the log files. Works whether or not midge is running."""

import heapq
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import click

from midge.cli.serve import read_configuration
from midge.observe.log_files import LogDirectory, LogEvent


@click.command()
@click.argument("function")
@click.option("--group", help="The log group.  [default: /aws/lambda/FUNCTION]")
@click.option("--stream", help="One log stream only.")
@click.option("--lines", "-n", default=200, show_default=True, type=click.IntRange(min=1), help="The last so many.")
@click.option("--timestamps", "-t", is_flag=True, help="Begin each event with its time (UTC).")
@click.option("--data-dir", help="Where midge keeps its data.  [default: .midge]")
@click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file.")
def logs(
    *,
    function: str,
    group: str | None,
    stream: str | None,
    lines: int,
    timestamps: bool,
    data_dir: str | None,
    config_file: Path | None,
) -> None:
    """Print the last events of FUNCTION's log, oldest first."""
    config = read_configuration(config_file, {"data_dir": data_dir} if data_dir else {})
    directory = LogDirectory(
        config.data_dir / "logs",
        stream_file_bytes=config.limits.log_stream_file_bytes,
        directory_bytes=config.limits.log_directory_bytes,
    )
    group = group or f"/aws/lambda/{function}"
    streams = directory.streams(group) if stream is None else [stream]
    events = deque(heapq.merge(*(directory.read(group, name) for name in streams), key=_time), maxlen=lines)
    if not events:
        raise click.ClickException(f"{group} holds no events below {config.data_dir}")
    for event in events:
        click.echo(_line(event, timestamps), nl=not event.message.endswith("\n"))


def _time(event: LogEvent) -> int:
    return event.timestamp


def _line(event: LogEvent, timestamps: bool) -> str:
    if not timestamps:
        return event.message
    moment = datetime.fromtimestamp(event.timestamp / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{event.timestamp % 1000:03d}Z {event.message}"
