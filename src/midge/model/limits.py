"""Every limit of midge in one place: AWS's quotas by their documented values, and our own bounds on waits and queues.

Source of AWS's: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One record, built once from the configuration and passed down. Sizes are in bytes unless the name says otherwise."""

    # AWS's quotas
    account_concurrency: int = 1_000
    payload_bytes: int = 6 * MIB
    zip_inline_bytes: int = 50 * MIB
    package_unzipped_bytes: int = 250 * MIB
    environment_variables_bytes: int = 4 * KIB
    log_tail_bytes: int = 4 * KIB
    client_context_bytes: int = 3_583
    init_seconds: float = 10.0
    files_per_environment: int = 1_024
    processes_per_environment: int = 1_024

    # the listener's
    request_line_bytes: int = 16 * KIB
    request_headers_bytes: int = 64 * KIB
    request_headers_count: int = 128
    api_body_bytes: int = 72 * MIB
    """An inline zip of 50 MB is 67 MB of base64."""
    connections: int = 10_000
    pipelined_requests: int = 64
    idle_connection_seconds: float = 300.0
    request_head_seconds: float = 30.0

    # packages
    package_files: int = 100_000
    package_path_bytes: int = 1_024

    # environments
    stems_per_runtime: int = 3
    idle_environment_seconds: float = 600.0
    environment_start_seconds: float = 15.0
    pending_log_bytes: int = 8 * MIB
    """Function output that waits for the log writer; beyond it output is dropped and the drop is counted and logged."""

    # neighbours
    neighbour_start_seconds: float = 60.0
