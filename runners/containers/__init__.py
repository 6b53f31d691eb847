"""Run containers: our own, made of namespaces, and those of other tools."""
