"""The host: its facts and conditions, cgroups, network, disks and files."""
