"""Images larger than the memory: windows as they come, blended strip by strip, chunks of the mask as they are done."""

from livecell_monai.workflow.mosaics.band import BandPredictor, Grey
from livecell_monai.workflow.mosaics.blending import Blender, Context
from livecell_monai.workflow.mosaics.predictor import MosaicPredictor

__all__ = ["BandPredictor", "Blender", "Context", "Grey", "MosaicPredictor"]
