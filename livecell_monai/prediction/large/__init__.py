"""Images larger than the memory: prepared part by part, predicted band by band, written chunk by chunk."""

from livecell_monai.prediction.large.predictor import LargeImagePredictor
from livecell_monai.prediction.large.prepared import LargeImage, check_preprocessing, measure_large_image

__all__ = ["LargeImage", "LargeImagePredictor", "check_preprocessing", "measure_large_image"]
