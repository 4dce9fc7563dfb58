"""Files on disk become checked records, and records a split that does not leak.

- `formats`, `tiff`, `planes`: one grey plane (Y, X) from TIFF, PNG, JPEG or NIfTI; `writing` puts planes on disk.
- `folder`: the samples of a data folder or datalist; `checks`: what is wrong with them; `identity`: their hashes.
- `split`: what is trained on and what is validated on; `items`: both as dictionaries for MONAI's transforms.
- `synthetic`, `synthetic_cell`, `border`, `sample_set`: the sample set.

No torch here.
"""
