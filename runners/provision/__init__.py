"""Tools, QEMU and guest kernels: taken from the system if they work, else fetched without root rights."""
