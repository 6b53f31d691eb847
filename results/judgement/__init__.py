"""Judge series: rules, thresholds, verdicts, gates, and the calibration of all of them."""
