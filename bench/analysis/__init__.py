"""What is made of stored runs: comparisons, reports, histories, baselines, calibrations."""
