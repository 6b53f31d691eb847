"""Run guests of VMMs that are controlled by an API over a socket: Firecracker and Cloud Hypervisor.

The tests have run neither, for lack of a binary and of KVM. They use a stand-in that answers as the published
specifications of the two APIs say.
"""
