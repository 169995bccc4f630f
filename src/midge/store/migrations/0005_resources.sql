-- One table for everything that is a record under a name: function settings and resource policies move there. And what
-- a start needs to know is found by an index instead of being read from every record; usage is kept up to date.

CREATE TABLE resources (
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (kind, account, region, owner, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX resources_reserving ON resources (account, region, owner, json_extract(record, '$.reserved_concurrency'))
WHERE kind = 'settings' AND json_extract(record, '$.reserved_concurrency') IS NOT NULL;

INSERT INTO resources (kind, account, region, owner, name, record)
SELECT 'settings', account, region, name, '', record FROM function_settings;

DROP TABLE function_settings;

-- A statement had one principal and one action, and a condition one value; now each has any number.
INSERT INTO resources (kind, account, region, owner, name, record)
SELECT 'policy', account, region, name, qualifier, json_set(record, '$.statements', json((
    SELECT json_group_array(json_object(
        'sid', json_extract(statement.value, '$.sid'),
        'effect', json_extract(statement.value, '$.effect'),
        'principals', json_object(
            json_extract(statement.value, '$.principal_kind'), json_array(json_extract(statement.value, '$.principal'))
        ),
        'actions', json_array(json_extract(statement.value, '$.action')),
        'conditions', json((
            SELECT json_group_object(operator.key, json((
                SELECT json_group_object(condition.key, json_array(condition.value))
                FROM json_each(operator.value) AS condition
            )))
            FROM json_each(statement.value, '$.conditions') AS operator
        ))
    ))
    FROM json_each(record, '$.statements') AS statement
)))
FROM resource_policies;

DROP TABLE resource_policies;

ALTER TABLE function_versions ADD COLUMN code_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE function_versions ADD COLUMN settled INTEGER NOT NULL DEFAULT 1;

UPDATE function_versions SET
    code_digest = coalesce(json_extract(record, '$.code.digest'), ''),
    settled = coalesce(json_extract(record, '$.state'), 'Pending') <> 'Pending'
        AND coalesce(json_extract(record, '$.last_update_status'), 'Successful') <> 'InProgress';

CREATE INDEX function_versions_code ON function_versions (code_digest);
CREATE INDEX function_versions_unsettled ON function_versions (account, region, name, number) WHERE settled = 0;
CREATE INDEX function_versions_latest ON function_versions (account, region, name) WHERE number = 0;

DROP INDEX function_versions_usage;

CREATE TABLE usage (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    functions INTEGER NOT NULL,
    code_bytes INTEGER NOT NULL,
    PRIMARY KEY (account, region)
) STRICT, WITHOUT ROWID;

INSERT INTO usage (account, region, functions, code_bytes)
SELECT account, region, count(*) FILTER (WHERE number = 0), sum(code_bytes) FROM function_versions GROUP BY account, region;

CREATE TRIGGER version_counts AFTER INSERT ON function_versions BEGIN
    INSERT INTO usage (account, region, functions, code_bytes)
    VALUES (NEW.account, NEW.region, NEW.number = 0, NEW.code_bytes)
    ON CONFLICT (account, region) DO UPDATE SET
        functions = functions + excluded.functions, code_bytes = code_bytes + excluded.code_bytes;
END;

CREATE TRIGGER version_counts_no_more AFTER DELETE ON function_versions BEGIN
    UPDATE usage SET functions = functions - (OLD.number = 0), code_bytes = code_bytes - OLD.code_bytes
    WHERE account = OLD.account AND region = OLD.region;
END;

CREATE TRIGGER version_counts_anew AFTER UPDATE OF code_bytes ON function_versions BEGIN
    UPDATE usage SET code_bytes = code_bytes - OLD.code_bytes + NEW.code_bytes
    WHERE account = NEW.account AND region = NEW.region;
END;
