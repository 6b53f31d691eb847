"""Container tools that know no bundle: bubblewrap, systemd-nspawn, LXC."""
