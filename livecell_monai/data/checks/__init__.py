"""What a file may claim before it is decoded: sizes, page chains, PNG chunks, OME-XML, gzip streams."""
