-- A request at a function URL names nothing but its id.

CREATE UNIQUE INDEX resources_function_urls ON resources (json_extract(record, '$.url_id')) WHERE kind = 'function-url';
