"""Define the programs to run. Each workload is a short module; :mod:`.listing` has them all."""
