-- Functions with their versions and aliases. A version's number is 0 for $LATEST.

CREATE TABLE version_numbers (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE function_versions (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision_id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account, region, name, number)
) STRICT;

CREATE TABLE aliases (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    number INTEGER NOT NULL,
    additional_number INTEGER,
    revision_id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account, region, name, alias),
    FOREIGN KEY (account, region, name, number) REFERENCES function_versions,
    FOREIGN KEY (account, region, name, additional_number) REFERENCES function_versions
) STRICT;

CREATE INDEX aliases_by_number ON aliases (account, region, name, number);
CREATE INDEX aliases_by_additional_number ON aliases (account, region, name, additional_number);
