"""Log groups, log streams and log events, as CloudWatch Logs names them.

Times are in milliseconds since 1970-01-01 UTC.
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatchLogsConcepts.html
"""

from dataclasses import dataclass, field

RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""What PutRetentionPolicy takes."""
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroupId:
    """Which log group. Groups of the same name in other accounts or regions are others."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """Without the ``:*`` at its end that DescribeLogGroups shows in ``arn``."""
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.name}"

    def stream_arn(self, stream: str) -> str:
        """Of one of its log streams."""
        return f"{self.arn}:log-stream:{stream}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFilter:
    """Who is sent the events of a log group that match ``pattern``."""

    name: str
    pattern: str
    destination_arn: str
    created_ms: int
    distribution: str = "ByLogStream"
    role_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup:
    """A log group as it is set; what is in it the log store knows."""

    name: str
    created_ms: int
    retention_days: int | None = None
    """None: events never expire."""
    kms_key_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    subscriptions: tuple[SubscriptionFilter, ...] = ()

    def expiry_ms(self, now_ms: int) -> int:
        """Events before this time have expired."""
        return 0 if self.retention_days is None else now_ms - self.retention_days * DAY_MS
