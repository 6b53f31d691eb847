"""Whether KVM works here, measured: a hand-made guest through the ``/dev/kvm`` ioctls.

:func:`tare.runners.guests.kvm.floor.probe_kvm` is the door; :mod:`tare.runners.guests.kvm.child` is the process that holds the guest.
"""
