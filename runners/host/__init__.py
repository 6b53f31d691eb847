"""Read and change the host: facts and conditions, cgroups, network, disks and files."""
