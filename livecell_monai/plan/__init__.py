"""From the training data to the settings of a training, without torch.

`measure_fingerprint` measures the annotated images, `plan_training` chooses settings from the measurements, and `choose_*`
resolve settings that are `auto`.
"""

from livecell_monai.plan.fingerprint import Fingerprint, describe_fingerprint, measure_fingerprint
from livecell_monai.plan.image_statistics import ImageStatistics, measure_image
from livecell_monai.plan.recipe import Choice, format_plan, plan_training, write_plan
from livecell_monai.plan.schedule import choose_lr_step
from livecell_monai.plan.weights import choose_pos_weight

__all__ = [
    "Choice",
    "Fingerprint",
    "ImageStatistics",
    "choose_lr_step",
    "choose_pos_weight",
    "describe_fingerprint",
    "format_plan",
    "measure_fingerprint",
    "measure_image",
    "plan_training",
    "write_plan",
]
