"""Whether KVM works here, measured: a hand-made guest through the ``/dev/kvm`` ioctls.

:func:`runners.kvm.floor.probe_kvm` is the door; :mod:`runners.kvm.child` is the process that holds the guest.
"""
