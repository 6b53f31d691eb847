"""Containers: our own from namespaces, and those of other tools."""
