"""``midge logs``: what a function wrote, from the log files. Works whether or not midge is running."""

from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import click

from midge.cli.serve import read_configuration
from midge.clock import SystemClock
from midge.log_store.reading import EventRange, LogReader, StoredEvent
from midge.model.logs import LogGroupId


@click.command()
@click.argument("function")
@click.option("--group", help="The log group.  [default: /aws/lambda/FUNCTION]")
@click.option("--account", help="The account that the function belongs to.  [default: the configured one]")
@click.option("--region", help="The function's region.  [default: the configured one]")
@click.option("--stream", help="One log stream only.")
@click.option("--lines", "-n", default=200, show_default=True, type=click.IntRange(min=1), help="The last so many.")
@click.option("--timestamps", "-t", is_flag=True, help="Begin each event with its time (UTC).")
@click.option("--data-dir", help="Where midge keeps its data.  [default: .midge]")
@click.option("--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file.")
def logs(
    *,
    function: str,
    group: str | None,
    account: str | None,
    region: str | None,
    stream: str | None,
    lines: int,
    timestamps: bool,
    data_dir: str | None,
    config_file: Path | None,
) -> None:
    """Print the last events of FUNCTION's log, oldest first."""
    config = read_configuration(config_file, {"data_dir": data_dir} if data_dir else {})
    reader = LogReader(config.data_dir / "logs", config.limits)
    aws = config.aws
    place = LogGroupId(
        account=account or aws.account, region=region or aws.region, name=group or f"/aws/lambda/{function}"
    )
    settings = reader.group(place)
    streams = [found for found in reader.streams(place, stream or "") if stream in (None, found.name)]
    expiry_ms = 0 if settings is None else settings.expiry_ms(int(SystemClock().now() * 1000))
    events = deque(reader.events(streams, EventRange(start_ms=expiry_ms)), maxlen=lines)
    if not events:
        raise click.ClickException(f"{place.name} holds no events below {config.data_dir}")
    for event in events:
        click.echo(_line(event, timestamps), nl=not event.message.endswith("\n"))


def _line(event: StoredEvent, timestamps: bool) -> str:
    if not timestamps:
        return event.message
    moment = datetime.fromtimestamp(event.timestamp / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{event.timestamp % 1000:03d}Z {event.message}"
