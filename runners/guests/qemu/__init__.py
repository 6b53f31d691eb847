"""Run QEMU guests under KVM where KVM works, and otherwise under TCG, which their labels then say."""
