"""The mask of a large image: chunks, pyramid, BigTIFF or OME-Zarr."""
