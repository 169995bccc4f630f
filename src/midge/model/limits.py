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
    unreserved_concurrency: int = 100
    """At least this much of the account's stays with functions that have none reserved."""
    requests_per_second_per_concurrency: int = 10
    """Of synchronous requests, for each concurrent execution that the account has, or that a function has reserved.
    0 sets no limit."""
    scaling_environments: int = 1_000
    """By which one function may grow in each period; what is not used does not add up. 0 sets no limit."""
    scaling_period_seconds: float = 10.0
    payload_bytes: int = 6 * MIB
    response_payload_bytes: int = 6 * MIB + 100
    streamed_response_bytes: int = 200 * MIB
    streamed_burst_bytes: int = 6 * MIB
    """Of a streamed response, as fast as it comes; what follows goes at ``streamed_bytes_per_second``."""
    streamed_bytes_per_second: int = 2 * MIB
    zip_inline_bytes: int = 50 * MIB
    package_unzipped_bytes: int = 250 * MIB
    code_storage_bytes: int = 75 * 1_024 * MIB
    """The code of all versions in one account and region, as GetAccountSettings tells it."""
    layers: int = 5
    """Of one function version."""
    environment_variables_bytes: int = 4 * KIB
    timeout_seconds: int = 900
    memory_size_mb: int = 10_240
    ephemeral_storage_mb: int = 10_240
    log_tail_bytes: int = 4 * KIB
    client_context_bytes: int = 3_583
    resource_policy_bytes: int = 20 * KIB
    tags: int = 50
    """On one resource."""
    event_source_filters: int = 5
    """On one event source mapping; AWS raises it to 10 on request."""
    tenant_environments: int = 2_500
    """Of one version of a function with tenant isolation, idle ones included: AWS's for 1,000 concurrent executions."""
    init_seconds: float = 10.0
    provisioned_init_seconds: float = 130.0
    """Of provisioned environments, and of those that become a snapshot."""
    restore_seconds: float = 10.0
    """For a restoration, with the hooks after it."""
    snapshots: int = 64
    """Of versions with SnapStart; of more, that which was used longest ago is made again when it is next needed."""
    """For environments that are initialised before anybody calls: this, or the function's time-out if that is more."""
    extensions: int = 10
    """In one execution environment, internal and external together."""
    shutdown_internal_seconds: float = 0.5
    """For the runtime to end itself where there are only internal extensions."""
    shutdown_runtime_seconds: float = 0.3
    """Where there are external ones: the runtime's share of all the time, which follows."""
    shutdown_seconds: float = 2.0
    telemetry_items: int = 10_000
    telemetry_bytes: int = 1_048_576
    telemetry_timeout_ms: int = 30_000
    """The most that a subscription may ask to have buffered: events, bytes of them, time."""
    files_per_environment: int = 1_024
    processes_per_environment: int = 1_024

    recursive_invocations: int = 16
    """How often a function is invoked in one chain of requests before the chain counts as a loop."""

    # asynchronous invocation
    async_payload_bytes: int = MIB
    async_retries: int = 2
    """After errors of the function, where nothing else is configured."""
    async_age_seconds: float = 21_600.0
    """How old an event may become, where nothing else is configured."""
    async_retry_base_seconds: float = 60.0
    """The pause before the first retry of an event whose function failed; before the second it is twice that."""
    async_delay_base_seconds: float = 1.0
    """The pause before the next attempt of an event that could not be invoked; it doubles each time."""
    async_delay_seconds: float = 300.0
    """The longest such pause."""
    async_events: int = 1_000_000
    """Events on disk; further ones are throttled until some are done."""
    async_events_in_memory: int = 64
    """Of one function; the others stay on disk."""
    async_bytes_in_memory: int = 4 * MIB
    """Of one function's payloads in memory; one more event may exceed it."""
    async_concurrency_at_first: int = 10
    """Events of one function that are invoked at once, at first; as many more every tenth of a second while they wait."""
    async_concurrency: int = 100
    """The most, of one function."""
    async_deliveries: int = 8
    """Calls to destinations and dead-letter queues at once."""
    async_delivery_attempts: int = 4
    async_delivery_seconds: float = 10.0
    """For one such call."""

    # the virtual clock
    clock_advance_seconds: float = 366 * 86_400.0
    """The most by which one request turns it on."""
    clock_settle_seconds: float = 10.0
    """How long, each time that something falls due, it waits for functions that run."""

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
    request_body_seconds: float = 300.0

    # the store
    store_queued_writes: int = 1_024
    """Writes that wait for the disk; the callers of further ones wait for a place."""
    store_batch_writes: int = 256
    """Writes that share one transaction."""
    store_retry_seconds: float = 5.0
    """How long the outcome of a creation or an update waits when it could not be written, before the next attempt."""

    functions_loaded_at_start: int = 256
    """Of those created last; the others are loaded when they are first invoked."""

    # packages
    package_files: int = 100_000
    package_path_bytes: int = 1_024
    package_deflate_ratio: int = 1_032
    """The most that deflate can shrink; a zip that declares more lies about its sizes."""
    unused_package_seconds: float = 1_000.0
    """How long a package stays after the last version that names it is gone: longer than any invocation lasts."""

    # images
    image_bytes: int = 10 * 1_024 * MIB
    """Uncompressed, all layers together: AWS's quota."""
    image_files: int = 1_000_000
    """Entries of all layers together."""
    image_path_bytes: int = 4_096
    image_document_bytes: int = 4 * MIB
    """A manifest, an index, a configuration: what registries take."""
    image_resolve_seconds: float = 30.0
    """How long a caller waits for a registry to say which image a name means."""
    image_pull_seconds: float = 900.0
    """For all layers of an image."""
    image_resolutions: int = 8
    """Questions to registries at once; further ones wait."""
    image_pulls: int = 2
    """At once; further ones wait."""
    registry_seconds: float = 20.0
    """For a registry to accept a connection, or to go on with an answer."""

    # listings and links
    list_items: int = 50
    function_urls_remembered: int = 10_000
    """Found once, they are not looked up in the store again."""
    list_event_source_mappings: int = 100
    code_link_seconds: int = 600

    # environments
    stems_per_runtime: int = 3
    """Environments whose runtime waits, half started, for a function."""
    forked_stems_per_runtime: int = 8
    """The same where runtimes are forked, which share most of their memory: 1.5 MiB each of a Python's."""
    stems_after_burst: int = 64
    """As many as this wait for a minute after that many were asked for within a second."""
    cells_per_runtime: int = 64
    """Environments that wait for a runtime to be forked into them: 0.1 MiB each, and 0.3 of the kernel's."""
    copies_per_snapshot: int = 1
    """Restored environments of a SnapStart version that wait to be let go: some 1 MiB each."""
    copies_after_burst: int = 16
    """As many as this wait for a minute after that many were restored within a second."""
    environment_watch_seconds: float = 0.05
    """How often environments that are awake are looked after: how exact the two that follow are."""
    environment_watch_count: int = 64
    """How many are, each time: freezing one takes the kernel a tenth of a millisecond, for which others wait."""
    freeze_after_seconds: float = 0.05
    """An environment that has been idle for this long stands still until its next event."""
    cpu_burst_seconds: float = 0.1
    """For how long an invocation may use what CPU is free; from then on it has what its memory size buys on AWS."""
    functions_memory_mb: int = 0
    """What the execution environments of all functions together may have; 0 derives it from the machine."""
    functions_memory_share: float = 0.9
    """Then: of the memory that is available when midge starts. The rest is for midge and what waits half started."""
    memory_wait_seconds: float = 20.0
    """How long an invocation waits for memory to become free for its environment before it is throttled."""
    memory_waiting: int = 1_000
    """Environments that are waited for so, of all functions."""
    idle_environment_seconds: float = 600.0
    """How long an idle environment is kept where nothing else has been learnt."""
    keep_alive_bin_seconds: float = 60.0
    keep_alive_bins: int = 240
    """What the histogram of a function's idle times is made of: minutes, four hours."""
    keep_alive_least_samples: int = 10
    """Idle times before anything is learnt from them."""
    keep_alive_least_spread: float = 2.0
    """The coefficient of variation of the bins below which idle times are spread too evenly to learn from."""
    provisioned_retry_seconds: float = 60.0
    """How long provisioned environments wait for another attempt after one could not be initialised."""
    environment_start_seconds: float = 15.0
    endpoint_connections_per_environment: int = 256
    """Connections to the AWS endpoint that one environment may hold."""
    runtime_api_connections: int = 32
    """Connections to the Runtime API that one environment may hold."""
    runtime_api_head_bytes: int = 32 * KIB
    runtime_api_error_bytes: int = 256 * KIB
    """An error document that a runtime posts."""
    telemetry_path_bytes: int = 1_024
    telemetry_line_bytes: int = 256 * KIB
    """A longer line of output becomes several events."""
    telemetry_early_events: int = 1_000
    """Kept of an initialisation for those who subscribe during it; beyond it they are dropped and the drop is told."""
    telemetry_early_bytes: int = 256 * KIB
    """The same, of the output among them."""
    telemetry_lines_per_second: int = 5_000
    """Of one environment's output; beyond it lines are dropped, counted and told."""
    telemetry_pending_bytes: int = 64 * MIB
    """Of all environments, that wait for their sinks; beyond it events are dropped."""
    telemetry_retry_seconds: float = 0.25
    """Before the second attempt to deliver a batch; doubled for each further one, up to the longest."""
    telemetry_longest_retry_seconds: float = 5.0
    telemetry_reply_bytes: int = 64 * KIB
    """The most that a sink may answer."""
    streamed_prelude_bytes: int = 64 * KIB
    """Status, headers and cookies before the body of a streamed answer at a function URL."""
    exit_drain_seconds: float = 0.02
    """How long a streamed invocation whose runtime has ended waits for what the runtime wrote before."""
    broken_stream_grace_seconds: float = 0.25
    """How long a streamed response that broke off waits for the news that its runtime has ended, which is the better
    explanation."""
    next_request_grace_seconds: float = 0.025
    """How long an invocation waits for an environment that has answered and not yet asked for its next event, before
    it is given a new one; up to twice that where others waited before it."""
    pending_log_bytes: int = 8 * MIB
    """Function output that waits for the log writer; beyond it output is dropped and the drop is counted and logged."""
    log_event_bytes: int = 256 * KIB
    log_stream_file_bytes: int = 8 * MIB
    """A log stream's file is set aside at this size."""
    log_stream_files: int = 8
    """Of one log stream; the oldest is deleted for a further one."""
    log_directory_bytes: int = 1024 * MIB
    """All log streams together; the files written longest ago are deleted."""
    log_flush_seconds: float = 0.1
    log_expiry_seconds: float = 3_600.0
    """How often events that are older than their log group keeps them are deleted; they are not shown before that."""
    log_list_items: int = 50
    """Log groups, streams or subscription filters in one answer."""
    log_page_events: int = 10_000
    log_page_bytes: int = 1 * MIB
    """Log events in one answer."""
    log_search_bytes: int = 32 * MIB
    """Log events that are looked at for one answer."""
    log_batch_bytes: int = 1 * MIB
    """Log events in one PutLogEvents, and one log event; each counts 26 bytes more than its message."""
    log_subscription_filters: int = 2
    """Of one log group."""
    log_subscription_bytes: int = 8 * MIB
    """What waits to be sent to one subscriber, and what waits to be matched for all of them."""
    log_subscription_event_bytes: int = 512 * KIB
    """Messages that one invocation of a subscriber is given; compressed and in base64 an event must stay below 1 MB."""
    log_subscription_seconds: float = 86_400.0
    """How long a subscriber that cannot be invoked is tried again."""
    log_groups_remembered: int = 10_000
    log_files_remembered: int = 20_000
    log_blocks_remembered: int = 200_000
    """How much of what is known of log files stays in memory; the rest is looked up again."""

    # metrics
    metric_minute_days: int = 15
    """How long metrics are kept by the minute; from then on by five minutes."""
    metric_five_minutes_days: int = 63
    """How long by five minutes; from then on by the hour."""
    metric_hour_days: int = 455
    metric_points: int = 4_000_000
    """Of all metrics together, 100 bytes each; the oldest are deleted for further ones."""
    metric_series: int = 100_000
    """Metrics, each with all its dimensions; further ones are refused to PutMetricData, and not kept of Lambda's."""
    metric_pending: int = 200_000
    """Minutes of metrics in memory while the disk fails; beyond it they are dropped, counted and logged."""
    usage_days: int = 400
    """How long what is billed is kept, by the hour."""
    usage_rows: int = 1_000_000
    """Hours of functions; the oldest are deleted for further ones."""
    metric_tidy_seconds: float = 3_600.0
    """How often metrics that have grown old are joined or deleted."""
    metric_queries: int = 500
    """In one GetMetricData."""
    metric_data_points: int = 100_800
    """In one answer of GetMetricData."""
    metric_statistics_points: int = 1_440
    """In the answer of GetMetricStatistics."""
    metric_list_items: int = 500
    """In one answer of ListMetrics."""
    metric_read_points: int = 2_000_000
    """Stored points that one request may have read."""
    metric_data: int = 1_000
    """Metrics in one PutMetricData."""
    metric_values: int = 150
    """Values of one of them."""
    metric_body_bytes: int = 1 * MIB
    """The body of one PutMetricData, decompressed."""

    runtime_install_seconds: float = 1_800.0
    """For each step of ``midge runtimes add``: a package client that fetches an interpreter."""

    # neighbours
    neighbour_start_seconds: float = 60.0
    neighbour_stop_seconds: float = 5.0
    neighbour_connect_seconds: float = 10.0
    neighbour_fetch_seconds: float = 300.0
    """For an object that midge itself reads from a neighbour."""
    neighbour_connections: int = 64
    """Connections to one neighbour; further requests wait for one to be free."""
    neighbour_head_bytes: int = 64 * KIB
