"""A training that was stopped goes on to the bit: its folder under way, its checkpoints, what they hold, who stops it."""

from livecell_monai.workflow.resuming.changes import describe_machine
from livecell_monai.workflow.resuming.checkpoints import Checkpoints
from livecell_monai.workflow.resuming.question import Question, ask, read_question, refuse_given
from livecell_monai.workflow.resuming.training_folder import TrainingFolder, refuse_lost

__all__ = [
    "Checkpoints",
    "Question",
    "TrainingFolder",
    "ask",
    "describe_machine",
    "read_question",
    "refuse_given",
    "refuse_lost",
]
