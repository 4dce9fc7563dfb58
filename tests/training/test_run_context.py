"""Options of a call of `train`."""

import pytest

from livecell_monai.tasks import train
from livecell_monai.training.run_context import RunContext
from tests.support.small_training import SMALL

pytestmark = pytest.mark.usefixtures("without_figures")


def test_an_option_does_not_make_it_another_training(folder, tmp_path):
    epochs = []
    context = RunContext(parent_run="42", on_epoch=lambda epoch, row: epochs.append(epoch), resume=True, force=True)
    plain, with_options = (
        train(folder, tmp_path / name, settings=SMALL, context=given) for name, given in (("a", None), ("b", context))
    )
    assert epochs == [1, 2]
    assert plain["request_sha256"] == with_options["request_sha256"]
    assert plain["weights_sha256"] == with_options["weights_sha256"]
