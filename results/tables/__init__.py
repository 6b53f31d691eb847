"""Make tables of trials and metrics, and the index that makes large runs quick to read."""
