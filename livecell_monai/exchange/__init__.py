"""Annotations of other programs in, results out: one file a format, with its reader and its writer.

A reader yields an `Annotation` for each image, a writer gets a `LabelledPlane` for each; see `base`. Coordinates are pixels
of the image, x to the right and y down, (0, 0) being the top left corner of the image. Plain arrays only, no torch.
"""
