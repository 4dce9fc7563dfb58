"""Every split has its words."""

from livecell_monai.data.split import MODES
from livecell_monai.workflow.split_words import SPLITS


def test_every_split_has_its_words():

    assert set(SPLITS) == {*MODES, "given"} - {"auto"}
