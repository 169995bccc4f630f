-- What holds for a function as a whole: its tags. They used to be kept with $LATEST.

CREATE TABLE function_settings (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;

INSERT INTO function_settings (account, region, name, record)
SELECT account, region, name, json_object(
    'function', json_extract(record, '$.function'), 'tags', json_extract(record, '$.kept.Tags')
)
FROM function_versions
WHERE number = 0 AND json_extract(record, '$.kept.Tags') IS NOT NULL;

UPDATE function_versions SET record = json_remove(record, '$.kept.Tags')
WHERE json_extract(record, '$.kept.Tags') IS NOT NULL;
