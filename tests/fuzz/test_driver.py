"""Broken files, some hundreds of them: what `make soak` does with thousands, in short; and that it would notice."""

import mmap
import os
import re
import signal
import time

import numpy as np
import pytest

from fuzz import commands, header_mutations, reading, tiff_mutations
from fuzz.choosing import choose_input
from fuzz.commands import try_commands, write_training
from fuzz.lines import judge_line, judge_output
from fuzz.reading import try_image
from fuzz.seeds import list_seeds
from fuzz.settings import list_texts, try_text
from fuzz.truth import read_truth
from fuzz.watch import watch
from fuzz.xml_mutations import list_ome_seeds
from livecell_monai.data.readers.kinds import read_plane
from livecell_monai.errors import LiveCellError
from livecell_monai.sample import Plane

SLOW = ("9000 x 9000", "100 strips", "a million", "in 100 x 100", "36 x 40")  # seconds each: those are left to `make soak`


@pytest.fixture(scope="module")
def seeds():
    return [*list_seeds(), *list_ome_seeds()]


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "JPEG", "NIfTI", "OME-XML", "OME-Zarr", "CZI", "ND2"])
def test_broken_files_are_read_as_their_bytes_say_or_refused_in_one_line(seeds, kind, tmp_path):
    chosen = [seed for seed in seeds if seed.kind == kind]
    wrong, read = [], 0
    for number in range({"TIFF": 150, "OME-Zarr": 12}.get(kind, 40)):
        broken = choose_input(chosen, 2, number)
        path = broken.write(tmp_path, f"m{number}")
        start = time.monotonic()
        outcome = try_image(broken, path)
        wrong += [f"{number} {broken.flavour}: {outcome.wrong}"] if outcome.wrong else []
        read += outcome.problem is None
        assert time.monotonic() - start < 10, broken.flavour
    assert not wrong
    assert (read > 0) == (kind != "ND2")  # not all of them are refused


def test_valid_files_are_what_our_own_reading_says(seeds, tmp_path):
    compared = 0
    for number, seed in enumerate(seeds):
        path = seed.write(tmp_path, f"m{number}")
        assert try_image(seed, path).wrong is None, seed.flavour
        compared += sum(told.pixels is not None for told in read_truth(seed)[:1])
    assert compared > 70


@pytest.mark.parametrize("list_bombs", [tiff_mutations.list_bombs, header_mutations.list_bombs])
def test_bombs_are_refused_ahead_of_decoding(list_bombs, tmp_path):
    for number, bomb in enumerate(list_bombs()):
        if any(word in bomb.flavour for word in SLOW):
            continue
        start = time.process_time()
        outcome = try_image(bomb, bomb.write(tmp_path, f"m{number}"))
        assert outcome.wrong is None
        assert outcome.problem is not None, bomb.flavour
        assert time.process_time() - start < 2, bomb.flavour


def test_commands_name_what_is_broken_and_predict_the_rest(seeds, trained, tmp_path):
    chosen = [choose_input([seed for seed in seeds if seed.kind not in ("CZI", "ND2")], 3, number) for number in range(10)]
    assert try_commands([*chosen, *seeds[:2]], tmp_path / "work", trained[1]) == []


def test_broken_settings_are_refused_in_one_line(trained, tmp_path):
    write_training(tmp_path / "data")
    texts = list_texts(tmp_path / "data", trained[1])
    for number in range(14):
        assert (
            try_text(texts, 4, number, tmp_path / "work", tmp_path / "data", trained[1], ("overlay", "--set", "datalist"))
            == []
        )


class TestItWouldNotice:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda pixels: pixels[::-1], "other pixels were read than the bytes say"),
            (lambda pixels: pixels.T, "were read, the header tells of"),
        ],
    )
    def test_other_pixels(self, seeds, tmp_path, monkeypatch, change, words):
        monkeypatch.setattr(reading, "read_image", lambda path: Plane(change(read_plane(path).pixels)))
        assert words in try_image(seeds[0], seeds[0].write(tmp_path, "a")).wrong

    def test_pixels_that_are_not_there(self, seeds, tmp_path, monkeypatch):
        monkeypatch.setattr(reading, "read_image", lambda path: Plane(np.zeros((40, 36), np.uint8)))
        cut = seeds[0].broken(seeds[0].data[:-600], "cut")
        assert "damaged or not all there" in try_image(cut, cut.write(tmp_path, "a")).wrong

    def test_a_page_in_place_of_a_line(self, seeds, tmp_path, monkeypatch):
        def fail(path):
            error = LiveCellError("a")
            error.args = ("a\nb",)
            raise error

        monkeypatch.setattr(reading, "read_image", fail)
        assert "a message with" in try_image(seeds[0], seeds[0].write(tmp_path, "a")).wrong

    @pytest.mark.parametrize(
        ("line", "words"), [("a" * 500, "500 characters"), ("\x1b[31m", "'\\x1b'"), ("\u202e", "'\\u202e'")]
    )
    def test_what_a_terminal_would_not_show(self, line, words):
        assert words in judge_line(line)
        assert judge_line("µm, 日本") is None

    @pytest.mark.parametrize("text", ["Traceback (most recent call last):\nValueError: a", "x.py:1: UserWarning: a"])
    def test_noise(self, text):
        assert judge_output(text) is not None

    def test_a_command_that_fails(self, monkeypatch):
        def fail():
            os.write(2, b"Traceback of a C library")  # past sys.stderr
            raise SystemExit(1)

        monkeypatch.setattr(commands.cli, "main", fail)
        assert commands.run_command("info") == commands.Done(1, "", "Traceback of a C library")

    def test_a_mask_that_is_missing(self, seeds, trained, tmp_path, monkeypatch):
        monkeypatch.setattr(commands, "run_command", lambda *words: commands.Done(0, "", ""))
        found = try_commands(seeds[:1], tmp_path / "work", trained[1])
        assert found == ["predict wrote 0 masks of m00.tif and was silent"]

    def test_what_hangs(self):
        def work(number):
            while number == 1:
                pass
            return []

        found = dict(watch(work, range(3), time.monotonic() + 120, seconds=0.4))
        assert found[0] == found[2] == []
        assert "not done after" in found[1][0]

    def test_what_swells(self, monkeypatch):
        def work(number):
            held = mmap.mmap(-1, 3 * 10**8)  # of the system: a heap may have that much left from tests before
            for _ in range(300):  # a slow machine takes seconds of the processor for as many pages
                held.write(b"x" * 10**6)
            time.sleep(30)
            return [str(len(held))]

        (_, (resident,)), *_ = watch(lambda number: [str(_resident())], [0], time.monotonic() + 120)
        monkeypatch.setattr("fuzz.watch.BYTES", int(resident) + 2 * 10**8)
        ((_, (wrong,)),) = watch(work, [0], time.monotonic() + 120, seconds=60)
        assert "GB of memory" in wrong

    def test_what_crashes_or_raises(self):
        def work(number):
            match number:
                case 1:
                    os.kill(os.getpid(), signal.SIGTERM)
                case 2:
                    raise ValueError("a fault of ours")
                case 3:
                    return ["wrong"]
            return []

        found = dict(watch(work, range(5), time.monotonic() + 120))
        assert found[0] == found[4] == []
        assert found[1] == ["the process ended by signal 15"]
        assert re.fullmatch(r"ValueError in test_driver\.py:\d+: a fault of ours", found[2][0])
        assert found[3] == ["wrong"]


def _resident() -> int:
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_input_is_known_by_its_number(seeds):
    assert choose_input(seeds, 0, 17) == choose_input(seeds, 0, 17) != choose_input(seeds, 0, 18)
