"""Containers through the Kubernetes Container Runtime Interface (CRI)."""
