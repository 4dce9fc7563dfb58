"""Limits that a file must meet before it is decoded: sizes, page chains, PNG chunks, OME-XML, gzip streams."""
