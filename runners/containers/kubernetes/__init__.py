"""Places that a Kubernetes cluster makes, and a cluster of one node to try that with."""
