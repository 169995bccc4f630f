-- For whom a function with tenant isolation is to be invoked.

ALTER TABLE contents ADD COLUMN tenant_id TEXT;
