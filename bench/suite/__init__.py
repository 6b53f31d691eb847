"""Benchmarks that pytest collects for `nox -s bench`: one function per workload."""
