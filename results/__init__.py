"""Hold the record of a run, its storage, tables, statistics and verdicts."""
