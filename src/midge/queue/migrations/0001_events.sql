-- Events accepted for asynchronous invocation and not done yet. Times are seconds since 1970 UTC.
-- What changes is apart from the payloads, which are written once.
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    function TEXT NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL,
    delays INTEGER NOT NULL,
    held INTEGER NOT NULL
) STRICT;

CREATE INDEX events_free ON events (account, region, function, due, number) WHERE held = 0;
CREATE INDEX events_held ON events (number) WHERE held = 1;

CREATE TABLE contents (
    number INTEGER PRIMARY KEY REFERENCES events ON DELETE CASCADE,
    qualifier TEXT,
    request_id TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    accepted REAL NOT NULL,
    client_context BLOB,
    payload BLOB NOT NULL
) STRICT;
