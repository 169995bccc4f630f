"""CloudWatch's metrics: Lambda's own, and those that functions and others put."""
