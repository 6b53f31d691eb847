"""Judge stored runs: comparisons, reports, histories, baselines, calibrations."""
