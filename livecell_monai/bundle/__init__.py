"""Opens, exports and joins bundles, and loads their weights."""
