"""What is counted of requests at function URLs.

Source: https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
"""

from midge.model.functions import FunctionId
from midge.model.metrics import Statistics, counted
from midge.observe.metrics import Metrics
from midge.observe.minutes import MinuteRecorder, resource_of, series_of

_KEPT = 256
"""Requests of one function URL that are kept one by one."""


class UrlFigures:
    """Counts the requests at every function URL."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._minutes = metrics.minutes
        self._sites: dict[tuple[FunctionId, str | None], _Site] = {}

    def count(self, function: FunctionId, alias: str | None, status: int, seconds: float) -> None:
        """A request at the function URL of a function or of an ``alias`` has been answered with ``status``."""
        counters = self._metrics.function(function.name)
        counters.url_requests += 1
        counters.url_4xx += 400 <= status < 500
        counters.url_5xx += status >= 500
        key = (function, alias)
        site = self._sites.get(key)
        if site is None:
            site = self._sites[key] = _Site(function, alias)
        if not site.pending:
            site.pending = True
            self._minutes.touched(site)
        elif len(site.answers) >= _KEPT:
            site.fold(self._minutes, self._minutes.minute)
            site.pending = True
        site.answers.append((status, seconds))


class _Site:
    """One function URL."""

    def __init__(self, function: FunctionId, alias: str | None) -> None:
        resource = None if alias is None else resource_of(function, alias)
        self._series = {
            name: series_of(function, resource, name, unit)
            for name, unit in (
                ("UrlRequestCount", "Count"), ("Url4xxCount", "Count"), ("Url5xxCount", "Count"),
                ("UrlRequestLatency", "Milliseconds"),
            )
        }  # fmt: skip
        self.pending = False
        self.answers: list[tuple[int, float]] = []

    def fold(self, minutes: MinuteRecorder, minute: int) -> bool:
        self.pending = False
        answers, self.answers = self.answers, []
        count, latency = len(answers), Statistics()
        for _, seconds in answers:
            latency.add(seconds * 1000)
        refused = sum(400 <= status < 500 for status, _ in answers)
        failed = sum(status >= 500 for status, _ in answers)
        for name, values in (
            ("UrlRequestCount", counted(count)),
            ("Url4xxCount", counted(refused, count - refused)),
            ("Url5xxCount", counted(failed, count - failed)),
            ("UrlRequestLatency", latency),
        ):
            if values.count:
                minutes.merge(self._series[name], minute, values)
        return False
