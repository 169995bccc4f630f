-- What is billed: whole units by the hour.

CREATE TABLE usage (
    hour INTEGER NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    function TEXT NOT NULL,
    architecture TEXT NOT NULL,
    memory_mb INTEGER NOT NULL,
    storage_mb INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    billed_ms INTEGER NOT NULL,
    provisioned_billed_ms INTEGER NOT NULL,
    init_ms INTEGER NOT NULL,
    provisioned_ms INTEGER NOT NULL,
    streamed_bytes INTEGER NOT NULL,
    PRIMARY KEY (hour, account, region, function, architecture, memory_mb, storage_mb)
) STRICT, WITHOUT ROWID;
