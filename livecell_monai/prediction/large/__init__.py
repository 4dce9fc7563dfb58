"""Images larger than the memory: windows as they come, blended strip by strip, chunks of the mask as they are done."""

from livecell_monai.prediction.large.band import BandPredictor, IntensityRange
from livecell_monai.prediction.large.blending import Blender, Context
from livecell_monai.prediction.large.predictor import LargeImagePredictor

__all__ = ["BandPredictor", "Blender", "Context", "IntensityRange", "LargeImagePredictor"]
