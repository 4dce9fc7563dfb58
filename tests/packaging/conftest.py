"""A tiny bundle, and what is exported of it, made once for each folder of tests and only to be read."""

import pytest
import tifffile

from livecell_monai.bundle.open import open_bundle
from livecell_monai.packaging.example import predict_example
from livecell_monai.packaging.exporting import REFERENCE
from livecell_monai.packaging.facts import collect_facts
from livecell_monai.packaging.model import trace_model
from livecell_monai.packaging.parity import Parity
from tests.support.tiny_bundles import write_tiny_bundle
from tests.support.worlds import picture_of, some_cells


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A bundle of the maps foreground and distance."""
    return write_tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    """The file of an image (Y, X) of 96 x 112."""
    path = tmp_path_factory.mktemp("picture") / "cells.tif"
    tifffile.imwrite(path, picture_of(some_cells()))
    return path


@pytest.fixture(scope="session")
def opened(tiny):
    """The bundle, as the exported graph computes."""
    return open_bundle(tiny, ["inference"], REFERENCE)


@pytest.fixture(scope="session")
def segmenter(opened):
    opened.network  # noqa: B018
    return opened.segmenter


@pytest.fixture(scope="session")
def model(opened, segmenter, picture):
    return trace_model(segmenter, opened.settings, predict_example(segmenter, tifffile.imread(picture)))


@pytest.fixture(scope="session")
def facts(tiny, opened):
    found = collect_facts(tiny, opened.settings, "tiny", opened.segmenter.head.channels, ["A. Author"])
    return found.with_parity(Parity(0.9996, 1.5e-6))
