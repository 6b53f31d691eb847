"""Run containers through the Kubernetes Container Runtime Interface (CRI)."""
