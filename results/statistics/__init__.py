"""Compute estimates, intervals and symptoms of series, as pure functions of samples."""
