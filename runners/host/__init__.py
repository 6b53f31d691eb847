"""The host: its cgroups, and what killed runs leave on it."""
