"""Images larger than the memory: read part by part, predicted band by band, written chunk by chunk."""
