"""Tare weighs the boxes that software runs in: bare metal, namespace containers and KVM guests."""
