"""From samples to verdicts: rules, thresholds, gates and their calibration."""
