"""Where configuration lives durably: functions, their versions and aliases. What was answered with success is on disk."""
