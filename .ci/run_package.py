"""Runs a bioimage.io package by bioimageio.core, in its own environment, and compares its mask with one of livecell predict.

Usage: python .ci/run_package.py PACKAGE IMAGE MASK
"""

import sys
from pathlib import Path

import numpy as np
import tifffile
import xarray
from bioimageio.core import create_prediction_pipeline, load_model_description, predict, test_model

LEAST_IOU = 0.999


def main(package: str, image: str, mask: str) -> None:
    """Exit with an error if a test of the package fails, or the masks differ."""
    path = Path(package).absolute()
    tested = test_model(path, weight_format="onnx")
    for detail in tested.details:
        print(f"{detail.status}: {detail.name}")
        for error in detail.errors:
            print(f"  {error.loc}: {error.msg}")
    model = load_model_description(path)
    pixels = tifffile.imread(image).astype(np.float32)[None, None]
    given = xarray.DataArray(pixels, dims=("batch", "channel", "y", "x"))
    made = predict(model=create_prediction_pipeline(model, weight_format="onnx"), inputs={"image": given})
    found = np.asarray(made.members["maps"].data)[0, 0] >= model.config.livecell["threshold"]
    expected = tifffile.imread(mask) > 0
    iou = np.count_nonzero(found & expected) / np.count_nonzero(found | expected)
    print(f"{image}: IoU {iou:.5f} with {mask}, of which {expected.mean():.1%} is foreground")
    if tested.status != "passed" or not iou >= LEAST_IOU:
        sys.exit(f"{package}: its tests must pass and its mask agree at IoU {LEAST_IOU}; got {tested.status}, {iou:.5f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
