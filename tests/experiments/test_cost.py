"""What a study will cost, in one line."""

import pytest

from livecell_monai.experiments.cost import describe_cost, measure_weights_mb
from livecell_monai.settings import SETTINGS

DEFAULTS = {name: spec.default for name, spec in SETTINGS.items()}


@pytest.mark.parametrize(
    ("trainings", "minutes", "words"),
    [
        (21, 1.0, "21 trainings of 1 min each, about 32 min in all"),  # as measured
        (9, 0.5, "9 trainings of 0.5 min each, about 9 min in all"),
        (15, 10.0, "15 trainings of 10 min each, about 2.6 h in all"),
    ],
)
def test_time(trainings, minutes, words):
    assert describe_cost(trainings, {**DEFAULTS, "minutes": minutes}).startswith(words)


def test_without_minutes_the_time_is_not_known():
    line = describe_cost(3, {**DEFAULTS, "minutes": 0.0, "epochs": 7})
    assert line.startswith("3 trainings of 7 epochs each; to limit their time, stop this and add --minutes N; about ")


def test_disk_with_and_without_weights_and_tracking():
    settings = {**DEFAULTS, "minutes": 1.0, "track": True}
    weights = measure_weights_mb(settings)
    assert f"about {(40 * (2.5 + 4 * weights)) / 1000:.1f} GB of disk" in describe_cost(40, settings)
    assert f"about {2 * (2.5 + 2 * weights):.0f} MB of disk" in describe_cost(2, {**settings, "track": False})
    assert f"about {20 * 2.5 + 5 * weights:.0f} MB of disk" in describe_cost(20, settings, keeps_weights=False)


def test_weights_are_those_of_the_network():
    # model.safetensors of a default training has 8.15 MB
    assert measure_weights_mb(DEFAULTS) == pytest.approx(8.15, rel=0.02)
