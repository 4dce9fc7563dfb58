"""Settings of a foreign bundle that would take the machine's memory."""

import pytest

from livecell_monai.bundle.open import find_template, read_settings
from livecell_monai.bundle.trusting.bounds import BOUNDS, SPARE_BYTES, check_large_network, find_excess
from livecell_monai.errors import BundleError

CONFIGS = find_template() / "configs"


def test_our_own_settings_keep_the_bounds():
    for names in (["inference", "train"], ["inference", "train", "original"], ["inference", "train", "smoke"]):
        settings = read_settings([CONFIGS / f"{name}.yaml" for name in names])
        assert set(BOUNDS) <= set(settings)
        assert [name for name, value in settings.items() if find_excess(name, value)] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filters", [16] * 13),
        ("filters", [8193, 1]),
        ("filters", ["a"]),
        ("filters", 8),
        ("ensemble_size", 65),
        ("ensemble_size", True),
        ("convolutions", 17),
        ("scale", 17.0),
        ("scale", [2**16, 1]),
        ("scale", "1"),
        ("window", [2**16, 32]),
        ("window_batch", 2000),
        ("window_memory", 1e9),
        ("threshold", float("nan")),
        ("anything", float("inf")),
    ],
)
def test_beyond(name, value):
    assert find_excess(name, value)


def test_a_network_may_be_as_large_as_its_weights(tmp_path):
    settings = {"filters": [3000, 3000], "ensemble_size": 1}  # 324 MB in one convolution
    with pytest.raises(BundleError, match=r"must not be larger than its weights, filters .* ask for 324,000,000 bytes"):
        check_large_network(tmp_path, settings)
    (tmp_path / "models").mkdir()
    with open(tmp_path / "models" / "model.pt", "wb") as stream:
        stream.truncate(324_000_000)
    check_large_network(tmp_path, settings)
    assert SPARE_BYTES < 324_000_000
    with pytest.raises(BundleError, match="of 2 networks"):
        check_large_network(tmp_path, settings | {"ensemble_size": 2})
