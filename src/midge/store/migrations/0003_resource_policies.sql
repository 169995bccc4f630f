-- Resource policies of functions, versions and aliases. The qualifier is empty for the policy of the function itself.

CREATE TABLE resource_policies (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    revision_id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (account, region, name, qualifier)
) STRICT;
