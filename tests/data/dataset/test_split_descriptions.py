"""Every split has its words."""

from livecell_monai.data.dataset.split import MODES
from livecell_monai.data.dataset.split_descriptions import SPLITS


def test_every_split_has_its_words():

    assert set(SPLITS) == {*MODES, "given"} - {"auto"}
