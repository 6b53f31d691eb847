"""Make control groups for places, on v1, v2 and hosts that mix both."""
