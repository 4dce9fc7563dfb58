"""Arrays in pages of their own."""

import platform

import numpy as np
import pytest

from livecell_monai.data.large.pages import allocate_pages
from tests.support.fresh import run_python


@pytest.mark.parametrize(("shape", "dtype"), [((3, 5), np.uint16), ((2, 3, 4), np.float32), ((7,), np.uint8)])
def test_is_an_array_of_zeros_that_can_be_written_to(shape, dtype):
    array = allocate_pages(shape, dtype)
    assert (array.shape, array.dtype) == (shape, dtype)
    assert not array.any()
    array[...] = 7
    assert (array == 7).all()


def test_what_is_empty_takes_no_pages():
    assert allocate_pages((2, 0, 5), np.float32).shape == (2, 0, 5)


def test_two_share_nothing():
    first, second = allocate_pages((4,), np.uint8), allocate_pages((4,), np.uint8)
    first[:] = 1
    assert not second.any()


def test_a_view_keeps_the_pages():
    view = allocate_pages((1000, 1000), np.uint8)[500:, 500:]
    view[...] = 3
    assert (view == 3).all()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere freed memory goes back as the system likes")
def test_the_pages_go_back_although_what_tensors_free_is_kept():
    code = (
        "import numpy as np, torch\n"
        "from pathlib import Path\n"
        "from livecell_monai.data.large.pages import allocate_pages\n"
        "from livecell_monai.network.accelerator import Accelerator\n"
        "Accelerator('cpu').place(torch.nn.Conv2d(1, 1, 1))\n"
        "def megabytes():\n"
        "    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 // 2**20\n"
        "def kept(make):\n"
        "    before = megabytes()\n"
        "    array = make((64, 2**20), np.uint8)\n"
        "    array[...] = 1\n"
        "    during = megabytes()\n"
        "    del array\n"
        "    return during - before, megabytes() - before\n"
        "print(*kept(allocate_pages), *kept(np.zeros))\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    during, after, _, heap = map(int, done.stdout.split())
    assert during > 60
    assert after < 4
    assert heap > 60  # so the other way would be seen
