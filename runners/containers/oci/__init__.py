"""Containers made by OCI runtimes from a bundle."""
