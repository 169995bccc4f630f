-- Layers and their versions; and beside a function version the zips of its layers, in order, so that a start finds all
-- that are in use without reading every record. A layer's code counts in its account's usage.

CREATE TABLE layer_numbers (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE layer_versions (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision_id TEXT NOT NULL,
    code_bytes INTEGER NOT NULL,
    code_digest TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account, region, name, number)
) STRICT;

CREATE INDEX layer_versions_code ON layer_versions (code_digest);

CREATE TRIGGER layer_version_counts AFTER INSERT ON layer_versions BEGIN
    INSERT INTO usage (account, region, functions, code_bytes)
    VALUES (NEW.account, NEW.region, 0, NEW.code_bytes)
    ON CONFLICT (account, region) DO UPDATE SET code_bytes = code_bytes + excluded.code_bytes;
END;

CREATE TRIGGER layer_version_counts_no_more AFTER DELETE ON layer_versions BEGIN
    UPDATE usage SET code_bytes = code_bytes - OLD.code_bytes WHERE account = OLD.account AND region = OLD.region;
END;

ALTER TABLE function_versions ADD COLUMN layer_digests TEXT NOT NULL DEFAULT '';

CREATE INDEX function_versions_layers ON function_versions (layer_digests) WHERE layer_digests <> '';
