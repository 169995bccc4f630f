-- The size of a version's code beside its record, so that an account's usage is counted from an index alone.

ALTER TABLE function_versions ADD COLUMN code_bytes INTEGER NOT NULL DEFAULT 0;

UPDATE function_versions SET code_bytes = json_extract(record, '$.code.size_bytes');

CREATE INDEX function_versions_usage ON function_versions (account, region, number, code_bytes);
