"""One setting for where and in which arithmetic."""

import os
import platform
import re
import resource

import pytest
import torch
from torch import nn

from livecell_monai.errors import SettingError
from livecell_monai.network import accelerator
from livecell_monai.network.accelerator import Accelerator
from tests.support.fresh import run_python

FLAGS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


@pytest.fixture(params=[True, False], ids=["bf16 gains", "bf16 does not gain"])
def gains(request, monkeypatch):
    for flag in FLAGS:
        monkeypatch.setattr(torch.cpu, flag, lambda: request.param, raising=False)
    return request.param


def test_bf16_where_the_processor_says_that_it_gains(gains):
    assert Accelerator("cpu").bf16 is gains


@pytest.mark.parametrize(
    ("cpu_name", "amx", "expected"),
    [("AMD EPYC", False, True), ("", False, True), ("Intel Xeon", False, False), ("Intel Xeon", True, True)],
)
def test_avx512_bf16_alone_gains_but_on_intel(monkeypatch, cpu_name, amx, expected):
    """A Xeon whose AMX is hidden by its virtual machine trained at 0.73 of the speed in bf16."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": cpu_name}, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert Accelerator("cpu").bf16 is expected


def test_fp32_forbids_bf16(gains):
    assert Accelerator("cpu-fp32").bf16 is False


def test_float32_where_torch_does_not_know_the_flags(monkeypatch):
    for flag in FLAGS:
        monkeypatch.delattr(torch.cpu, flag, raising=False)
    assert Accelerator("cpu").bf16 is False


def test_autocast_follows(gains):
    with Accelerator("cpu").autocast():
        product = torch.rand(2, 2) @ torch.rand(2, 2)
    assert product.dtype == (torch.bfloat16 if gains else torch.float32)


def test_autocast_is_over_at_the_end(gains):
    with Accelerator("cpu").autocast():
        pass
    assert not torch.is_autocast_enabled("cpu")


def test_says_what_it_is(gains):
    assert str(Accelerator("cpu")) == f"cpu, {'bf16' if gains else 'float32'}, {torch.get_num_threads()} threads"


def test_places_in_channels_last_order():
    network = nn.Conv2d(4, 8, 3)
    assert not network.weight.is_contiguous(memory_format=torch.channels_last)
    placed = Accelerator("cpu").place(network)
    assert placed is network
    assert network.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")], ids=str
)
def test_auto_takes_the_fastest_that_is_there(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert Accelerator("auto").device.type == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bf16_on_cuda_from_ampere_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    chosen = Accelerator("cuda:1")
    assert (chosen.device, chosen.bf16) == (torch.device("cuda:1"), expected)
    assert Accelerator("cuda:1-fp32").bf16 is False


@pytest.mark.parametrize("spec", ["gpu", "cuda:", "cuda:x", "cpu:0", "cpu-bf16", "", "CPU", "cpu-fp32-fp32"])
def test_refuses_what_is_no_spec(spec):
    with pytest.raises(SettingError, match=f"setting accelerator must be auto, cpu.* got {re.escape(repr(spec))}"):
        Accelerator(spec)


@pytest.mark.parametrize("spec", ["cuda", "cuda:3", "mps"])
def test_refuses_a_device_that_is_not_there(monkeypatch, spec):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: spec == "cuda:3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SettingError, match=rf"must name an existing device \((cuda, )?cpu\), got '{spec}'"):
        Accelerator(spec)


def test_kinds_of_devices_that_are_not_known_stay_with_float32():
    assert accelerator._gains_by_bf16(torch.device("mps")) is False


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
@pytest.mark.slow
def test_memory_that_a_tensor_has_freed_is_there_for_the_next():
    """Told by the pages that the system has to hand out for 64 MB, anew or not; what else it hands out comes but once."""
    code = (
        "import resource, torch\n"
        "from livecell_monai.network.accelerator import Accelerator\n"
        "def count():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    torch.zeros(2**24).add_(1)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "for is_placed in (False, True):\n"
        "    if is_placed: Accelerator('cpu').place(torch.nn.Conv2d(1, 1, 1))\n"
        "    count()\n"
        "    print(min(count() for _ in range(5)))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = run_python("-c", code, environment=environment)
    assert done.returncode == 0, done.stderr
    before, after = (int(count) * resource.getpagesize() / 2**20 for count in done.stdout.split())
    assert after < 4
    assert before > 16
