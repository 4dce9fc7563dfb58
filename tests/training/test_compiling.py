"""Compiling where it gains: what the setting, the record of a probe and the machine say."""

import json
import shutil

import pytest
import torch

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.errors import DataError, SettingError
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.training import compiling
from livecell_monai.training.averaging import WeightAverage
from livecell_monai.training.compiling import can_compile, compile_network, probe, recall, record_path

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a processor")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("LIVECELL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    """Steps of milliseconds: what becomes of a timing is asked here, not what it is."""
    monkeypatch.setattr(compiling, "BATCH", (2, 1, 16, 16))


@pytest.fixture
def compiler(monkeypatch):
    """What torch.compile would need is there, or is said to be."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


def small():
    return UNet([4, 8])


def note(eager, compiled):
    """A probe of this machine that has found these samples per second."""
    probe(small, "cpu", seconds=0.0)
    (records,) = json.loads(record_path().read_text()).items()
    key, timings = records
    for timing in timings:
        timing["samples_per_s"] = eager
    timings.append({"way": "compiled", "samples_per_s": compiled, "first_s": 20.0})
    record_path().write_text(json.dumps({key: timings}))


@pytest.fixture
def without_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def trusted(monkeypatch):
    """What torch.compile needs is not tried."""
    monkeypatch.setattr(compiling, "_try_compiling", lambda accelerator: None)


def is_compiled(network):
    return network._compiled_call_impl is not None


class TestCompileNetwork:
    @pytest.mark.parametrize("setting", [True, False, "auto"])
    def test_the_bundle_takes_every_setting_that_is_known(self, setting):
        configs = ["inference", "train"]
        opened = open_bundle(find_template(), configs, {"compile": setting}, workflow_type="train").settings
        assert opened["compile"] == setting

    def test_true_without_a_compiler_is_refused(self, without_compiler):
        with pytest.raises(SettingError, match="no C\\+\\+ compiler"):
            compile_network(small(), Accelerator("cpu"), True)

    def test_true_where_it_does_not_work_is_refused(self, compiler, monkeypatch):
        def broken(*args, **kwargs):
            raise RuntimeError("no Python.h")

        monkeypatch.setattr(torch.nn.Linear, "forward", broken)
        with pytest.raises(SettingError, match=r"does not work \(.*no Python.h.*\), got true"):
            compile_network(small(), Accelerator("cpu"), True)

    @pytest.mark.parametrize(("setting", "expected"), [(True, True), (False, False), ("auto", False)])
    def test_is_switched_by_the_setting_and_not_without_a_probe(self, setting, expected, trusted):
        network, accelerator = small(), Accelerator("cpu")
        assert compile_network(network, accelerator, setting) is expected
        assert is_compiled(network) is expected
        assert accelerator.compiled is expected
        assert ("compiled" in str(accelerator)) is expected

    @pytest.mark.parametrize(
        ("compiled", "minutes", "expected"),
        [(111.0, 0.0, True), (111.0, 5.0, True), (111.0, 4.9, False), (109.0, 10.0, False), (50.0, 0.0, False)],
    )
    def test_auto_follows_the_probe_where_there_is_time(self, compiled, minutes, expected, without_compiler, monkeypatch):
        note(100.0, compiled)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        network = small()
        assert compile_network(network, Accelerator("cpu"), "auto", minutes) is expected
        assert is_compiled(network) is expected

    def test_auto_without_a_compiler_does_not(self, without_compiler):
        note(100.0, 200.0)
        assert compile_network(small(), Accelerator("cpu"), "auto") is False

    def test_weights_keep_their_names_and_the_average_stays_as_it_is(self, trusted):
        network = small()
        names = list(network.state_dict())
        average = WeightAverage(network)
        compile_network(network, Accelerator("cpu"), True)
        assert list(network.state_dict()) == names
        assert not is_compiled(average.network)
        average.update()


class TestProbe:
    def test_is_kept_for_this_machine(self, without_compiler):
        assert recall(small(), Accelerator("cpu")) == []
        found = probe(small, "cpu", seconds=0.0)
        assert recall(small(), Accelerator("cpu")) == found
        assert [timing.way for timing in found] == ["float32", "as it is"]
        assert all(timing.samples_per_s > 0 and timing.first_s > 0 for timing in found)

    def test_other_threads_networks_and_arithmetic_have_probes_of_their_own(self, without_compiler):
        threads, accelerator = torch.get_num_threads(), Accelerator("cpu")
        probe(small, "cpu", seconds=0.0)
        try:
            torch.set_num_threads(threads + 1)
            assert recall(small(), accelerator) == []
        finally:
            torch.set_num_threads(threads)
        assert recall(small(), accelerator) != []
        assert recall(UNet([4, 9]), accelerator) == []
        accelerator.bf16 = not accelerator.bf16
        assert recall(small(), accelerator) == []

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"], ids=repr)
    def test_a_torn_record_is_none_and_is_written_anew(self, text, without_compiler):
        record_path().parent.mkdir(parents=True)
        record_path().write_text(text)
        assert recall(small(), Accelerator("cpu")) == []
        assert recall(small(), Accelerator("cpu")) != probe(small, "cpu", seconds=0.0)
        assert recall(small(), Accelerator("cpu")) != []

    @pytest.mark.parametrize("entry", [[], {}, None, 3, [{}], [{"way": "as it is", "samples_per_s": "x", "first_s": 1}]])
    def test_an_entry_that_is_none_is_as_good_as_no_probe(self, entry, without_compiler, monkeypatch):
        note(100.0, 200.0)
        (key,) = json.loads(record_path().read_text())
        record_path().write_text(json.dumps({key: entry}))
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        assert compile_network(small(), Accelerator("cpu"), "auto") is False

    def test_a_second_machine_does_not_take_the_place_of_the_first(self, without_compiler):
        record_path().parent.mkdir(parents=True)
        record_path().write_text(json.dumps({"another": []}))
        probe(small, "cpu", seconds=0.0)
        assert len(json.loads(record_path().read_text())) == 2

    def test_a_cache_that_cannot_be_written_to_is_told_ahead_of_the_timing(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("LIVECELL_CACHE", str(tmp_path / "file" / "cache"))
        with pytest.raises(DataError, match="cannot be made"):
            probe(small, "cpu", seconds=1e9)

    def test_lies_in_the_users_cache(self, cache, monkeypatch, tmp_path):
        assert record_path() == cache / "probe.json"
        monkeypatch.delenv("LIVECELL_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
        assert record_path() == tmp_path / "own" / "livecell-monai" / "probe.json"
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert record_path() == tmp_path / ".cache" / "livecell-monai" / "probe.json"

    @needs_compiler
    @pytest.mark.slow
    def test_a_compiled_step_is_timed_and_learns_the_same(self):
        assert can_compile(Accelerator("cpu"))
        found = probe(small, "cpu", seconds=0.5)
        assert [timing.way for timing in found] == ["float32", "as it is", "compiled"]
        assert found[2].first_s > found[1].first_s
        plain = small()
        compiled = small()
        compiled.load_state_dict(plain.state_dict())
        compile_network(compiled, Accelerator("cpu-fp32"), True)
        image = torch.rand(2, 1, 32, 32)
        torch.testing.assert_close(compiled.eval()(image), plain.eval()(image), atol=1e-4, rtol=1e-4)
