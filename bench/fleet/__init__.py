"""Measure one plan on many hosts: what runs on the hosts, what directs them, and how both are connected by Dask."""
