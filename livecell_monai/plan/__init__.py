"""From the training data to the settings of a training: measures the images, then chooses settings; without torch."""

from livecell_monai.plan.automatic import choose_lr_step, choose_pos_weight
from livecell_monai.plan.fingerprint import Fingerprint, describe_fingerprint, measure_fingerprint
from livecell_monai.plan.recipe import Choice, format_plan, plan_training, write_plan
from livecell_monai.plan.start import plan_start, plan_zero_shot

__all__ = [
    "Choice",
    "Fingerprint",
    "choose_lr_step",
    "choose_pos_weight",
    "describe_fingerprint",
    "format_plan",
    "measure_fingerprint",
    "plan_start",
    "plan_training",
    "plan_zero_shot",
    "write_plan",
]
