"""Container images: found in a registry or in local files, verified, and unpacked once for all environments."""
