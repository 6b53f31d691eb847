"""Provide tools, QEMU and guest kernels: the system's if they work, else fetched without root rights."""
