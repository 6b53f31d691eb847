"""What came out: the record, its store, the one door to data frames, statistics and verdicts."""
