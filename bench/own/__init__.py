"""Read the user's own workloads, which need no Python: definitions in TOML, and commands of the command line."""
