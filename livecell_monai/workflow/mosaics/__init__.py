"""Images larger than the memory: windows as they come, blended strip by strip, chunks of the mask as they are done."""

from livecell_monai.workflow.mosaics.band import BandPredictor, Grey
from livecell_monai.workflow.mosaics.blending import Blender, Context
from livecell_monai.workflow.mosaics.predictor import MosaicPredictor
from livecell_monai.workflow.mosaics.remote import MosaicBand, split_bands

__all__ = ["BandPredictor", "Blender", "Context", "Grey", "MosaicBand", "MosaicPredictor", "split_bands"]
