"""The benchmarks that pytest collects for `nox -s bench`."""
