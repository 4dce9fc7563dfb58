"""Trained bundles as models for other programs: ONNX, TorchScript, bioimage.io packages, OpenVINO.

`export_bundle` writes one of them. `graph` is what all formats hold: grey values in, maps out. Each format is an object that
writes the graph with its facts to a path, and runs what it has written (`formats`). A model is written only if its masks are
those of the bundle (`parity`), on a test image that every installation has (`example`).
"""
