"""Deployment packages: the zips as they came, by digest, and the directories they are unpacked into."""
