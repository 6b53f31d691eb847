"""Run containers by OCI runtimes, each from a bundle."""
