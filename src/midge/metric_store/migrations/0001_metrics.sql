-- Series, and the values of each period. A point's period is 60 seconds until it grows old, then 300, then 3600.

CREATE TABLE series (
    number INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    unit TEXT NOT NULL,
    newest INTEGER NOT NULL,
    UNIQUE (account, region, namespace, name, dimensions, unit)
) STRICT;

CREATE TABLE points (
    series INTEGER NOT NULL REFERENCES series (number) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    period INTEGER NOT NULL,
    count REAL NOT NULL,
    total REAL NOT NULL,
    minimum REAL NOT NULL,
    maximum REAL NOT NULL,
    buckets BLOB,
    PRIMARY KEY (series, start, period)
) STRICT, WITHOUT ROWID;

CREATE INDEX points_by_age ON points (period, start);
