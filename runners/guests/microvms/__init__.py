"""VMMs that are told what to run over an API socket: Firecracker and Cloud Hypervisor.

Neither has been run by the tests, which have no binary and no KVM for it: they speak to a stand-in that answers as the
published specifications of the two APIs say.
"""
