"""Which operation a request line means, by the URI templates of the service model.

Owns matching of method, path and the query constants that tell two operations of one path apart. Knows nothing of
headers, bodies or what the labels mean. Labels are percent-decoded one by one after the path has been split, so an
encoded slash stays inside its label; a trailing slash is ignored, as older SDKs send one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

from midge.model.errors import ServiceError
from midge.wire.model import Operation, ServiceModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The operation a request line names, and the decoded values of the template's labels."""

    operation: Operation
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    operation: Operation
    segments: tuple[str, ...]
    """Literals as they are, labels as ``{Name}`` or ``{Name+}``."""
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    """Query parameters that must be there with this value."""

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """The labels' values, or None if the path is not this route's."""
        labels: dict[str, str] = {}
        position = 0
        surplus = len(segments) - len(self.segments)
        for expected in self.segments:
            if expected[0] != "{":
                if segments[position] != expected:
                    return None
                position += 1
                continue
            width = 1
            name = expected[1:-1]
            if name[-1] == "+":
                name, width = name[:-1], 1 + surplus
            value = "/".join(segments[position : position + width])
            if not value:
                return None
            labels[name] = unquote(value) if "%" in value else value
            position += width
        return labels

    @property
    def greedy(self) -> bool:
        return any(segment.endswith("+}") for segment in self.segments)

    @property
    def precedence(self) -> tuple[int, int]:
        """Sorts routes with more query constants, then with more literals, first."""
        literals = sum(segment[0] != "{" for segment in self.segments)
        return -len(self.constants), -literals


class Router:
    """The routes of one service model, indexed by method, first segment (the API's date) and number of segments."""

    def __init__(self, model: ServiceModel) -> None:
        self._fixed: dict[tuple[str, str, int], list[_Route]] = {}
        self._greedy: dict[tuple[str, str], list[_Route]] = {}
        for route in sorted(map(_route, model.operations.values()), key=lambda route: route.precedence):
            method, first = route.operation.http.method, route.segments[0]
            if route.greedy:
                self._greedy.setdefault((method, first), []).append(route)
            else:
                self._fixed.setdefault((method, first, len(route.segments)), []).append(route)

    def match(self, method: str, path: str, query: str = "") -> Match | None:
        """The operation and labels for a request line, or None when no operation has this method and path.

        ``path`` is percent-encoded and without the query; ``query`` is raw.
        """
        segments = path.split("/")[1:]
        while len(segments) > 1 and not segments[-1]:
            segments.pop()
        if not segments:
            return None
        candidates = self._fixed.get((method, segments[0], len(segments)), [])
        if self._greedy:
            greedy = self._greedy.get((method, segments[0]), [])
            candidates = candidates + [route for route in greedy if len(segments) >= len(route.segments)]
        for route in candidates:
            if route.constants and not _has(query, route.constants):
                continue
            labels = route.match(segments)
            if labels is not None:
                return Match(operation=route.operation, labels=labels)
        return None


def unknown_operation() -> ServiceError:
    """What AWS answers when method and path name no operation of the service."""
    return ServiceError("AccessDeniedException", "Unable to determine service/operation name to be authorized")


def _route(operation: Operation) -> _Route:
    path, _, query = operation.http.request_uri.partition("?")
    constants = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
    segments = tuple(segment for segment in path.split("/") if segment)
    return _Route(operation=operation, segments=segments, constants=constants)


def _has(query: str, constants: Mapping[str, str]) -> bool:
    given = parse_qs(query, keep_blank_values=True)
    return all(given.get(name) == [value] for name, value in constants.items())
