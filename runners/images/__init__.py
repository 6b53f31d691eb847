"""The image, its layers, and its forms: tree, tar, initramfs, ext4."""
