"""Build images: their layers, and their forms as tree, tar, initramfs, ext4 and qcow2."""
