"""Guests: places made by QEMU, under KVM where KVM works and under TCG, called so, where it does not."""
