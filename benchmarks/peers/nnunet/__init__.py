"""nnU-Net v2."""
