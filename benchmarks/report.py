"""What a run found: rows of ratios with what they must and should be, as a table and as JSON."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One promise. ``rounds`` holds a figure per round, ``parts`` the absolute figures behind it, per round as well."""

    name: str
    rounds: Sequence[float]
    must: float | None = None
    aim: float | None = None
    at_least: bool = False
    """Whether more is better; else less is."""
    unit: str = "x"
    parts: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    note: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        if self.must is None:
            return ""
        if self.aim is not None and self._holds(self.aim):
            return "aim"
        return "must" if self._holds(self.must) else "MISSED"

    def _holds(self, bound: float) -> bool:
        return self.value >= bound if self.at_least else self.value <= bound


def ratio(name: str, ours: Sequence[float], theirs: Sequence[float], parts: tuple[str, str], **kind: Any) -> Row:
    """A row of ``ours / theirs``, round by round; ``parts`` names the two absolute figures."""
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Row(name=name, rounds=rounds, parts={parts[0]: ours, parts[1]: theirs}, **kind)


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    lines = [("", "median", "rounds", "must", "aim", "", "medians behind it")]
    for row in rows:
        sign = ">=" if row.at_least else "<="
        behind = ", ".join(f"{name} {statistics.median(values):,.4g}" for name, values in row.parts.items())
        lines.append(
            (
                row.name,
                f"{row.value:.3g} {row.unit}",
                f"{min(row.rounds):.3g} - {max(row.rounds):.3g}",
                "" if row.must is None else f"{sign} {row.must:g}",
                "" if row.aim is None else f"{sign} {row.aim:g}",
                row.verdict,
                f"{behind}{'; ' if row.note and behind else ''}{row.note}",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def write(path: Path, facts: Mapping[str, Any], rows: Sequence[Row], skipped: Mapping[str, str]) -> None:
    """The whole run as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [{**asdict(row), "median": row.value, "verdict": row.verdict} for row in rows]
    path.write_text(json.dumps({"machine": facts, "rows": found, "skipped": skipped}, indent=1) + "\n")
