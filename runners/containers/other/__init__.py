"""Run containers by tools that take no OCI bundle: bubblewrap, systemd-nspawn, LXC."""
