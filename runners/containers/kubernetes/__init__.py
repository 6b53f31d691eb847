"""Run pods in a Kubernetes cluster, and bring up a cluster of one node for tests."""
