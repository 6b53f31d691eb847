"""Tools, QEMU and guest kernels: from the system if they work there, else fetched without root rights."""
