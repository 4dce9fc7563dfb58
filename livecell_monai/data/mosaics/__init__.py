"""Images larger than the memory: read block by block, masks written chunk by chunk, finished under their name at the end.

`MosaicSource` reads, `survey_source` measures what the whole image is needed for, `MosaicFolder` is the hidden folder that a
mosaic grows in and `ChunkWriter` what fills it; `finish_image` goes over it once, for its measures, its pyramid and the
finished file; `keep_apart` holds what outlives many windows. Arrays are (Y, X); a mask is uint8, 0 and 255.
"""

from livecell_monai.data.mosaics.bigtiff import encode_tile, write_bigtiff
from livecell_monai.data.mosaics.chunks import CHUNK, ChunkWriter
from livecell_monai.data.mosaics.finished import ENDINGS, open_finished
from livecell_monai.data.mosaics.finishing import Finishing, finish_image
from livecell_monai.data.mosaics.folder import MosaicFolder
from livecell_monai.data.mosaics.measures import measure_mask
from livecell_monai.data.mosaics.pages import keep_apart
from livecell_monai.data.mosaics.pyramid import begin_pyramid, describe_pyramid, list_level_shapes
from livecell_monai.data.mosaics.source import MosaicSource
from livecell_monai.data.mosaics.survey import Survey, count_others, survey_source

__all__ = [
    "CHUNK",
    "ENDINGS",
    "ChunkWriter",
    "Finishing",
    "MosaicFolder",
    "MosaicSource",
    "Survey",
    "begin_pyramid",
    "count_others",
    "describe_pyramid",
    "encode_tile",
    "finish_image",
    "keep_apart",
    "list_level_shapes",
    "measure_mask",
    "open_finished",
    "survey_source",
    "write_bigtiff",
]
