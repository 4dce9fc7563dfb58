"""The settings of `inference.yaml`: what the model is, and how it makes masks of images."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from livecell_monai.settings.fields import PAIR, Group, Positive, Rule, Shape, Text, require, setting

NoBool = BeforeValidator(require(lambda value: not isinstance(value, bool)))  # True equals 1
Device = Annotated[
    str,
    Field(pattern=r"^(auto|cpu|cuda(:\d{1,3})?|mps)(-fp32)?$"),
    Rule("auto, cpu, cuda, cuda:N or mps, each with or without -fp32 at the end"),
]
Factor = Annotated[float, Field(gt=0, le=16)]

Sizes = Annotated[
    dict[Literal["scale", "seed_depth", "cell_diameter", "min_cell_area"], Positive],
    AfterValidator(require(lambda sizes: sizes.get("scale", 1) <= 16 and sizes.get("min_cell_area", 1) >= 1)),
]
OwnSettings = Annotated[
    dict[Text, Sizes],
    Rule(
        "{PATH: {scale: NUMBER, seed_depth: NUMBER, cell_diameter: NUMBER, min_cell_area: NUMBER}, ...}, numbers above 0, "
        "scale up to 16, min_cell_area from 1"
    ),
]
Percentage = Annotated[float, Field(ge=0, le=100)]
Percentiles = Annotated[
    list[Percentage],
    PAIR,
    AfterValidator(require(lambda values: values == sorted(set(values)))),
    Rule("two increasing numbers from 0 to 100"),
]
Width = Annotated[int, Field(ge=1, le=8192)]
Filters = Annotated[list[Width], Field(min_length=2, max_length=12), Rule("2 to 12 whole numbers from 1 to 8,192")]
StemStride = Annotated[Literal[1, 2, 4], NoBool]
Maps = Annotated[
    list[Literal["foreground", "distance"]],
    AfterValidator(require(lambda names: names[:1] == ["foreground"] and len(names) == len(set(names)))),
    Rule("[foreground] or [foreground, distance]"),
]
Index = Annotated[int, Field(ge=0)]
Channel = Annotated[Index | Text | None, Rule("an index from 0, a name or null")]
Frames = Annotated[
    Index | Annotated[str, Field(pattern=r"^\s*(\d+|\d*\s*:\s*\d*)\s*$")] | None, Rule("an index from 0, first:stop or null")
]
Depth = Annotated[Index | Annotated[str, Field(pattern=r"^\s*\d+\s*$")] | None, Rule("an index from 0 or null")]
Views = Annotated[Literal[1, 2, 4, 8], NoBool]
ModelOutputs = Annotated[
    list[
        Annotated[
            str, Field(pattern=r"^((foreground|border|background|distance)(:(probability|logits))?|distance:px|ignore)$")
        ]
    ],
    Field(min_length=1, max_length=64),
    Rule("a list of foreground, border, background, distance and ignore, perhaps with :logits, :px or :probability"),
]
Names = Annotated[list[Text], Field(min_length=1, max_length=64), Rule("a list of names")]


class Machine(Group):
    """Where it runs."""

    accelerator: Device = setting(
        "auto", "device; bf16 and channels_last are used where they are faster, -fp32 at the end forbids bf16", local=True
    )


class Preprocessing(Group):
    """Input of the network."""

    scale: Factor | Shape = setting(
        1.0, "factor on the image's own size, 1.0 keeps every pixel; or the size [Y, X] of a whole image", changes_mask=True
    )
    normalise: bool = setting(
        True, "to median 0 and contrast 3, for any number of cells; false: to [0, 1], as in the report", changes_mask=True
    )
    percentiles: Percentiles = setting(
        [0.1, 99.9], "grey values beyond these are clipped, so that hot or saturated pixels do not matter", changes_mask=True
    )
    unlabelled_value: Annotated[int, Field(ge=1)] | None = setting(
        None, "value of label files where the image is not annotated, beside -1; such pixels do not count"
    )


class Network(Group):
    """Network."""

    maps: Maps = setting(
        ["foreground"], "what the network predicts; distance: from the rim of each cell, which separates touching cells"
    )
    filters: Filters = setting([16, 32, 64, 128, 256], "channels of each level, finest first; one number for each level")
    convolutions: int = setting(2, "3 x 3 convolutions of each level", ge=1, le=16)
    down: Literal["max", "strided"] = setting("max", "max: max-pooling between levels; strided: a strided convolution")
    dropout: float = setting(0.1, "probability that a channel is dropped, in the decoder only", ge=0, lt=1)
    residual: bool = setting(True, "each level adds its input to its output")
    norm: Literal["batch", "instance"] = setting(
        "batch", "batch: statistics of the training; instance: of each image or window, so that masks depend on `window`"
    )
    ensemble_size: int = setting(
        1, "networks whose probabilities are averaged; `livecell crossval --ensemble` writes one for each fold", ge=1, le=64
    )
    stem_stride: StemStride = setting(
        2, "2 or 4 runs every level at that part of the resolution, 1 at full resolution; 2 is four times as fast"
    )


class Planes(Group):
    """Planes of files that hold several (OME-TIFF, ImageJ, ND2, CZI, OME-Zarr); null where there is one."""

    channel: Channel = setting(None, "index of the channel from 0, or its name in the file")
    time: Frames = setting(None, "index of a frame from 0, or first:stop; null for all frames, a movie")
    z: Depth = setting(None, "index of the plane in depth from 0")
    movie: bool = setting(False, "each folder or glob is one movie of numbered frames, not a folder of single images")
    allow_gaps: bool = setting(False, "frames of `movie` may be missing; the tables have an empty row for each")
    interval_min: Positive | None = setting(
        None, "time between frames of movies; null takes it from the file", unit="min", changes_mask=True
    )
    axes: Text | None = setting(None, "axes of the file in order, such as TYX, where the file is silent or wrong")


class Prediction(Group):
    """Prediction."""

    window: Literal["auto"] | Shape = setting(
        "auto",
        "size of the windows that the network sees, multiples of stem_stride * 2 ** (levels - 1), twice that with norm: "
        "instance; auto: as large as window_memory allows",
        changes_mask=True,
    )
    window_memory: float = setting(
        130.0, "memory for one pass of the network where window is auto", unit="MB", gt=0, le=2**20, changes_mask=True
    )
    window_batch: int = setting(1, "windows in one pass; more than one is faster on a GPU only", ge=1, le=1024)
    overlap: int = setting(32, "overlap of neighbouring windows", unit="px", ge=0, le=2**15, changes_mask=True)
    tta_views: Views = setting(
        1,
        "test-time augmentation: 2 adds the mirrored image, 4 quarter turns, 8 both; slightly better, as much slower",
        changes_mask=True,
    )
    backend: Literal["torch", "int8"] = setting(
        "torch", "int8: OpenVINO with 8-bit integers, on CPUs with VNNI; faster, masks agree at IoU 0.997", changes_mask=True
    )
    threshold: float = setting(0.5, "probability above which a pixel is foreground", gt=0, lt=1, changes_mask=True)


class Cells(Group):
    """Cells: each with an id of its own; lengths and areas on the image's own grid."""

    cells: bool | Literal["auto"] = setting(
        "auto",
        "write NAME_cells.tif and a table of cells; auto: where `maps` has distance, without which touching cells may merge",
        changes_mask=True,
    )
    seed_depth: float = setting(
        2.0,
        "two cells are separated if both are so much deeper than the neck between them",
        unit="px",
        gt=0,
        changes_mask=True,
    )
    cell_diameter: float = setting(
        40.0, "of a typical cell, to which the map distance refers", unit="px", gt=0, changes_mask=True
    )
    map_threshold: float = setting(
        0.5, "cells in which the map distance stays below are dropped", ge=0, lt=1, changes_mask=True
    )
    min_cell_area: int = setting(10, "smaller cells are dropped", unit="px", ge=1, changes_mask=True)
    min_border_cell_area: int = setting(
        0,
        "cells cut by the border of the image are dropped if smaller, and need not reach `map_threshold`; 0: as other cells",
        unit="px",
        ge=0,
        changes_mask=True,
    )
    own_settings: OwnSettings = setting(
        {},
        "scale, seed_depth, cell_diameter and min_cell_area of single files, by path; `start` finds them in the images",
        recorded=False,
        changes_mask=True,
    )
    cell_table_format: Literal["csv", "parquet"] = setting(
        "csv", "the table of cells as cells.csv or cells.parquet, with the same values", recorded=False, changes_mask=True
    )
    cell_table_names: Literal["livecell", "cellprofiler"] = setting(
        "livecell",
        "names and definitions of its columns: our own, or those of CellProfiler 4 where it has them",
        recorded=False,
        changes_mask=True,
    )


class Outputs(Group):
    """Output."""

    outputs: Names = setting(
        ["mask", "summary", "confluency"],
        "what is written; also probability (NAME_probability.tif), overlay (NAME_overlay.png), those of other packages",
        recorded=False,
        changes_mask=True,
    )
    overwrite: bool = setting(False, "replace the results of an earlier run", recorded=False)
    resume: bool | Literal["auto"] = setting(
        False, "resume an interrupted run; auto, for a training: resume if there is one, otherwise start", recorded=False
    )
    show_progress: bool = setting(True, "show a progress bar", recorded=False, local=True)


class LargeImages(Group):
    """Large images: read, predicted and written part by part."""

    tiling_min_megapixels: float = setting(64.0, "images above this size are large", unit="megapixels", gt=0, recorded=False)
    large_image_format: Literal["tiff", "zarr"] = setting(
        "tiff", "tiff: NAME.ome.tif, tiled BigTIFF for QuPath and Fiji; zarr: NAME.ome.zarr; both pyramids", recorded=False
    )


class ForeignModels(Group):
    """Models of other tools: bioimage.io packages and ONNX files."""

    model_outputs: ModelOutputs | None = setting(
        None,
        "what each output channel of the model is: foreground, border, background, distance, ignore; null takes it from "
        "their names; `border:logits` where values are not in [0, 1]",
        recorded=False,
        changes_mask=True,
    )


INFERENCE = (Machine, Preprocessing, Network, Planes, Prediction, Cells, Outputs, LargeImages, ForeignModels)
