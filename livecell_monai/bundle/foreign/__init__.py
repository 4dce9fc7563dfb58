"""Models of other tools in place of a bundle: bioimage.io packages and ONNX files; no Python of theirs is run."""
