"""CloudWatch Logs: log groups, streams and events, and who is sent them."""
