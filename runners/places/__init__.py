"""Places on this host's kernel, and what all places share."""
