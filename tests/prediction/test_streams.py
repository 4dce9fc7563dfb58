"""Cores shared by parallel streams."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from livecell_monai.prediction.streams import count_streams, shared_cores


@pytest.fixture
def four():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_two_on_a_processor_with_cores_for_them(four):
    assert count_streams(torch.device("cpu")) == 2
    assert count_streams(torch.device("cuda")) == 1
    torch.set_num_threads(1)
    assert count_streams(torch.device("cpu")) == 1


def test_threads_that_are_started_within_have_a_share(four):
    def share():
        with shared_cores(2), ThreadPoolExecutor(1) as stream:
            assert torch.get_num_threads() == stream.submit(torch.get_num_threads).result() == 2
            raise RuntimeError("as it happens")

    with pytest.raises(RuntimeError, match="as it happens"):
        share()
    assert torch.get_num_threads() == 4
    with ThreadPoolExecutor(1) as other:
        assert other.submit(torch.get_num_threads).result() == 4
