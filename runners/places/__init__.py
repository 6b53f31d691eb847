"""Run places on this host's kernel, and share what all places have in common."""
