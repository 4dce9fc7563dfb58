"""Broken YAML and JSON as what they are for: overlays, --set, search spaces, datalists, a bundle's own configs."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from fuzz.byte_mutations import BYTES
from fuzz.commands import run_command
from fuzz.lines import judge_line, judge_output
from fuzz.text_mutations import VALUES, break_text
from livecell_monai.bundle.plain_yaml import parse_setting
from livecell_monai.bundle.template import find_template
from livecell_monai.data.dataset.findings import check_data
from livecell_monai.errors import find_user_error
from livecell_monai.experiments.search_space import read_space
from livecell_monai.settings import list_settings
from livecell_monai.training.setup import resolve_settings

KINDS = ("overlay", "overlay", "overlay", "--set", "--set", "search space", "datalist", "datalist", "bundle")
_OVERLAY = """# by hand
lr: 0.002
epochs: 2
filters: [4, 8]
patch_size: [64, 64]
window: [64, 64]
loss: bce
scale: 1.0
checkpoint_selection: best
zoom: [0.8, 1.25]
track: false
"""


def list_texts(data: Path, bundle: Path) -> dict[str, list[bytes]]:
    """Valid texts by what they are for.

    Args:
        data: a data folder, which the datalist names.
        bundle: a trained bundle.
    """
    configs = find_template() / "configs"
    plan = (bundle / "configs" / "plan.yaml").read_bytes()
    entries = ", ".join(
        f'{{"image": "{path}", "label": "{data / "train" / "labels" / path.name}", "group": "a"}}'
        for path in sorted((data / "train" / "images").iterdir())
    )
    return {
        "overlay": [_OVERLAY.encode(), plan, *((configs / f"{name}.yaml").read_bytes() for name in ("smoke", "original"))],
        "search space": [(configs / "sweep.yaml").read_bytes()],
        "datalist": [f'{{"training": [{entries}],\n "test": []}}'.encode()],
        "bundle": [(bundle / "configs" / "settings.yaml").read_bytes()],
    }


def try_text(
    texts: dict[str, list[bytes]],
    seed: int,
    number: int,
    folder: Path,
    data: Path,
    bundle: Path,
    kinds: Sequence[str] = KINDS,
) -> list[str]:
    """Break one text and use it; what was wrong, with what it was for ahead of it.

    Args:
        texts: valid ones by what they are for.
        seed: of the whole run.
        number: of the input.
        folder: to work in.
        data: a data folder.
        bundle: a trained one.
        kinds: what texts may be for, the more often the more often.
    """
    random = Random(f"{seed}/text/{number}")
    folder.mkdir(exist_ok=True)
    kind = random.choice(kinds)
    if kind == "--set":
        return [f"--set {wrong}" for wrong in _try_set(random, data)]
    text, words = random.choice(texts[kind]), []
    for _ in range(random.choice((1, 1, 2))):
        text, how = break_text(text, random) if random.random() < 0.85 else random.choice(BYTES)(text or b"\n", random)
        words.append(how)
    tried = {"overlay": _try_overlay, "search space": _try_space, "datalist": _try_datalist, "bundle": _try_bundle}[kind]
    return [f"{kind}, {' and '.join(words)}: {wrong}" for wrong in tried(text, folder, data, bundle)]


def _try_overlay(text: bytes, folder: Path, data: Path, bundle: Path) -> list[str]:
    path = folder / "overlay.yaml"
    path.write_bytes(text)
    try:
        resolved = resolve_settings(data, [str(path)])
    except Exception as error:
        return _told(error)
    return _judge_settings(resolved, yaml.safe_load(text) or {})


def _try_set(random: Random, data: Path) -> list[str]:
    known = list_settings(["inference", "train"])
    text = f"{random.choice(sorted(known))}={random.choice(VALUES)}"
    if random.random() < 0.3:
        text = break_text(text.encode(), random)[0].decode("utf-8", "replace")
    try:
        name, value = parse_setting(text)
        resolved = resolve_settings(data, settings={name: value})
    except Exception as error:
        return [f"{text[:60]!r}: {wrong}" for wrong in _told(error)]
    return [f"{text[:60]!r}: {wrong}" for wrong in _judge_settings(resolved, {name: value})]


def _try_space(text: bytes, folder: Path, data: Path, bundle: Path) -> list[str]:
    path = folder / "space.yaml"
    path.write_bytes(text)
    try:
        space = read_space(path)
    except Exception as error:
        return _told(error)
    values = [value for entry in space.entries.values() for value in (entry.low, entry.high) if value is not None]
    return [] if all(map(math.isfinite, values)) else [f"a space of {values}"]


def _try_datalist(text: bytes, folder: Path, data: Path, bundle: Path) -> list[str]:
    path = folder / "list.json"
    path.write_bytes(text)
    try:
        findings = check_data(path)
    except Exception as error:
        return _told(error)
    return [wrong for found in findings if found.problem and (wrong := judge_line(found.problem)) is not None]


def _try_bundle(text: bytes, folder: Path, data: Path, bundle: Path) -> list[str]:
    shutil.rmtree(folder)  # what the one before may have left
    copy = folder / "bundle"
    shutil.copytree(bundle, copy)
    (copy / "configs" / "settings.yaml").write_bytes(text)
    image = next((data / "train" / "images").iterdir())
    done = run_command("predict", copy, image, "-o", folder / "masks", "--set", "show_progress=false")
    if done.code not in (0, 2, 3):
        return [f"predict ended with {done.code}: {done.err[-200:]!r}"]
    wrong = judge_output(done.out + done.err)
    return [] if wrong is None else [wrong]


def _told(error: Exception) -> list[str]:
    """What is wrong with an error, or with what the command line would print of it."""
    known = find_user_error(error)
    if known is None:
        return [f"{type(error).__name__}: {' '.join(str(error).split())[:250]}"]
    wrong = judge_line(str(known))
    return [] if wrong is None else [wrong]


def _judge_settings(resolved: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """Settings that were taken must be those that were given, and numbers with which one can compute."""
    for name, value in resolved.items():
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            return [f"{name} is taken as {value}"]
        if name in given and given[name] != value and str(given[name]) != str(value):
            return [f"{name} is taken as {value!r}, given was {given[name]!r}"]
    return []
