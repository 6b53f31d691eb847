"""Measure whether KVM works here, by a guest of a few instructions run through the ioctls of ``/dev/kvm``.

Call :func:`tare.runners.guests.kvm.baseline.probe_kvm`; :mod:`tare.runners.guests.kvm.child` is the process that runs
the guest.
"""
