"""The commands as typed: what they print and what they refuse."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import midge
from midge.cli.banner import banner
from midge.cli.main import main
from midge.cli.table import table
from midge.config import Config, load
from midge.log_store.blocks import BlockTimes, encode_event
from midge.log_store.files import LogFiles
from midge.metric_store.files import MetricStore
from midge.model.limits import Limits
from midge.model.logs import LogGroupId
from midge.model.usage import Metered, Usage
from midge.sandbox.doctor import Finding


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A data directory whose log holds two streams with interleaved events."""
    files = LogFiles(tmp_path / "logs", Limits())
    group = LogGroupId(account="000000000000", region="us-east-1", name="/aws/lambda/f")
    for stream, events in (("a", {1000: "first\n", 3000: "third\n"}), ("b", {2000: "second"})):
        times = BlockTimes()
        for moment in events:
            times.add(moment, moment)
        lines = b"".join(encode_event(moment, message) for moment, message in events.items())
        files.append(group, stream, lines, times, 4000)
    files.close()
    return tmp_path


def test_version() -> None:
    """``midge --version`` names the version."""
    assert CliRunner().invoke(main, ["--version"]).output == f"midge {midge.__version__}\n"


def test_serve_refuses_an_address_that_others_reach() -> None:
    """``midge serve`` does not listen beyond loopback unless told so, and says how to."""
    result = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "--allow-remote" in result.output


def test_serve_refuses_an_unknown_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is a usage error, not a silent default."""
    monkeypatch.setenv("MIDGE_SERVER_PROT", "1")
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 2
    assert "MIDGE_SERVER_PROT" in result.output


def test_logs_merges_the_streams_by_time(logs: Path) -> None:
    """``midge logs`` prints the events of all of a function's streams in the order of their time, a line each."""
    result = CliRunner().invoke(main, ["logs", "f", "--data-dir", str(logs)])
    assert result.output == "first\nsecond\nthird\n"


def test_logs_shows_the_last_lines_with_their_times(logs: Path) -> None:
    """``-n`` keeps the newest events and ``-t`` puts the time before each."""
    result = CliRunner().invoke(main, ["logs", "f", "--data-dir", str(logs), "-n", "1", "-t"])
    assert result.output == "1970-01-01T00:00:03.000Z third\n"


def test_logs_of_an_unknown_function_fail(logs: Path) -> None:
    """A function that never wrote anything is an error that names the log group."""
    result = CliRunner().invoke(main, ["logs", "g", "--data-dir", str(logs)])
    assert result.exit_code == 1
    assert "/aws/lambda/g" in result.output


def test_runtimes_lists_what_runs_here() -> None:
    """``midge runtimes`` shows this interpreter's runtime as one that runs, and provided.al2023."""
    output = CliRunner().invoke(main, ["runtimes"]).output
    assert any(line.split()[:2] == ["provided.al2023", "yes"] for line in output.splitlines())


def test_the_banner_names_endpoint_and_data() -> None:
    """What midge says at its start holds the endpoint as clients need it, IPv6 in brackets, and the data directory."""
    text = banner(load(None, {}, {"server": {"host": "::1", "port": 5000, "data_dir": "/data"}}), isolated=True)
    assert "http://[::1]:5000" in text
    assert "/data" in text
    assert "WARNING" not in text


def test_the_banner_warns_where_nothing_isolates() -> None:
    """Plain processes and remote listeners are each announced with a warning, isolation on loopback with none."""
    remote = load(None, {"MIDGE_SERVER_ALLOW_REMOTE": "true"})
    assert banner(remote, isolated=False).count("WARNING") == 2
    assert "midge doctor" in banner(remote, isolated=False)
    assert banner(Config(), isolated=True).count("WARNING") == 0


def found(*, namespaces: bool) -> list[Finding]:
    return [Finding("namespaces", namespaces, "tried"), Finding("cgroups", works=False, detail="none", needed=False)]


def test_doctor_ends_with_success_where_functions_are_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is merely useful may be missing: the doctor shows it and ends with 0."""
    monkeypatch.setattr("midge.cli.doctor.examine", lambda: found(namespaces=True))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0
    assert "none" in result.output


def test_doctor_fails_where_functions_would_not_be_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what isolation needs, the doctor says so loudly and ends with 1."""
    monkeypatch.setattr("midge.cli.doctor.examine", lambda: found(namespaces=False))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert "NOT be isolated" in result.output


def test_serve_refuses_namespaces_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolation that was asked for by name is never replaced by less."""
    monkeypatch.setattr("midge.cli.serve.examine", lambda: found(namespaces=False))
    monkeypatch.setenv("MIDGE_SANDBOX_KIND", "namespaces")
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 2
    assert "midge doctor" in result.output


def test_tables_align_their_columns() -> None:
    """A column is as wide as its widest cell, and lines end without blanks."""
    assert table(("a", "b"), [("long", ""), ("x", "y")]) == "a     b\nlong\nx     y"


@pytest.fixture
def metered(tmp_path: Path) -> Path:
    """A data directory of a midge that runs, in which two functions have been metered."""
    place = Metered(
        account="000000000000", region="us-east-1", function="f", architecture="x86_64", memory_mb=1024, storage_mb=512,
        hour=1_767_268_800,
    )  # fmt: skip

    async def work() -> None:
        store = await MetricStore.open(tmp_path / "metrics.db", Limits())
        used = {place: Usage(requests=2, billed_ms=3000), replace(place, function="g", account="999999999999"): Usage()}
        for _ in range(2):
            await store.add({}, used)
        await store.close()

    asyncio.run(work())
    return tmp_path


def test_bill_prints_a_period(metered: Path) -> None:
    """``midge bill`` prints a line for each function of the account, and says by which prices."""
    argv = ["bill", "--since", "2026-01-01", "--data-dir", str(metered)]
    lines = CliRunner().invoke(main, argv).output.splitlines()
    assert "us-east-1" in lines[0]
    assert lines[2].split() == ["f", "4", "6.000", "0.000", "0.000", "0.000", "0.000", "0.000101"]
    assert lines[3].split()[:2] == ["total", "4"]
    assert len(lines) == 4
    earlier = CliRunner().invoke(main, [*argv, "--until", "2026-01-01T12:00:00"]).output.splitlines()
    assert earlier[2].split()[:2] == ["total", "0"]


def test_bill_says_what_a_what_if_assumes(metered: Path) -> None:
    """Another memory size gives two bills beside the true one, each under its assumption."""
    argv = ["bill", "--since", "2026-01-01", "--data-dir", str(metered), "--memory", "512", "--json"]
    bills = json.loads(CliRunner().invoke(main, argv).output)["bills"]
    assert [bill["total"]["gbSeconds"] for bill in bills] == ["6.000000000", "3.000000000", "6.000000000"]
    assert "take as long" in bills[1]["assumption"]
    assert "computing" in bills[2]["assumption"]


def test_bill_reckons_with_configured_prices(metered: Path, tmp_path: Path) -> None:
    """Prices of the configuration count; what is no price is said by name."""
    file = tmp_path / "midge.toml"
    argv = ["bill", "--since", "2026-01-01", "--data-dir", str(metered), "--config", str(file)]
    file.write_text('[prices]\nx86_64_gb_seconds = ["2:1", "0.5"]\nmillion_requests = "0"\ncurrency = "EUR"\n')
    output = CliRunner().invoke(main, argv).output
    assert "EUR" in output
    assert output.splitlines()[2].split()[-1] == "4.000000"
    file.write_text('[prices]\nstreamed_gb = "much"\n')
    result = CliRunner().invoke(main, argv)
    assert (result.exit_code, result.output) == (1, "Error: streamed_gb: 'much' is no price\n")


def test_bill_needs_something_metered(tmp_path: Path) -> None:
    """Without a metered server there is nothing to print."""
    result = CliRunner().invoke(main, ["bill", "--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "nothing has been metered" in result.output
