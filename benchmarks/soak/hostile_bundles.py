"""Bundles that an attacker might send: each plants one thing in a good bundle, which would touch a canary if it were run."""

import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from livecell_monai.data.dataset.identity import hash_file

CONFIG = Path("configs") / "inference.yaml"  # which livecell does not read
SETTINGS = Path("configs") / "settings.yaml"  # which it does
MODEL = Path("models") / "model.pt"
PLAIN = Path("models") / "model.safetensors"
Plant = Callable[[Path, str], None]  # of the bundle's folder and the shell command that touches the canary


@dataclass(frozen=True)
class Attack:
    """A way to harm whoever opens a bundle.

    Attributes:
        what: it is, in words.
        plant: puts it into a good bundle.
        fires: `monai`, it runs where MONAI's own command opens the bundle; `pickle`, where weights are unpickled without
            care; empty where it harms otherwise than by a command, or where MONAI refuses it too.
        is_ignored: it lies where livecell does not read, so that the bundle opens without harm; others are refused.
    """

    what: str
    plant: Plant
    fires: str = ""
    is_ignored: bool = False


def expression(command: str) -> str:
    """A Python expression that runs a command, as YAML."""
    return json.dumps(f"$__import__('os').system({command!r})")


def note_weights(bundle: Path) -> None:
    """Write the hash of the weights into the metadata: an attacker can do that too."""
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["training"]["weights_sha256"] = hash_file(bundle / PLAIN)
    path.write_text(json.dumps(metadata), encoding="utf-8")


def _replaced(old: str, new: str, file: Path = CONFIG) -> Plant:
    """What puts a text in another's place, `{run}` being the expression and `{command}` the command."""

    def plant(bundle: Path, command: str) -> None:
        path = bundle / file
        text = path.read_text(encoding="utf-8")
        assert old in text, old
        filled = new.replace("{run}", expression(command)).replace("{command}", json.dumps(command))
        path.write_text(text.replace(old, filled, 1), encoding="utf-8")

    return plant


def _added(text: str) -> Plant:
    return _replaced("\ninitialize:\n", f"\n{text}\ninitialize:\n")


def _in_settings(old: str, new: str) -> Plant:
    """As `_replaced`, in both files that have the settings."""
    both = [_replaced(old, new, file) for file in (SETTINGS, CONFIG)]

    def plant(bundle: Path, command: str) -> None:
        for each in both:
            each(bundle, command)

    return plant


def _early(item: str) -> Plant:
    """An item ahead of all that `initialize` does."""
    return _replaced("\ninitialize:\n", f"\ninitialize:\n  - {item}\n")


def _macro(bundle: Path, command: str) -> None:
    other = bundle / "docs" / "more.yaml"
    other.write_text(f"x: {expression(command)}\n", encoding="utf-8")
    _early(json.dumps(f"%{other}::x"))(bundle, command)


def _linked(name: Path) -> Plant:
    def plant(bundle: Path, command: str) -> None:
        away = bundle.parent / f"away-{bundle.name}{name.suffix}"
        (bundle / name).rename(away)
        (bundle / name).symlink_to(away)

    return plant


def _metadata(bundle: Path, command: str) -> None:
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["name"] = f"$__import__('os').system({command!r})"
    path.write_text(json.dumps(metadata), encoding="utf-8")


def _logging(bundle: Path, command: str) -> None:
    path = bundle / "configs" / "logging.conf"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("class=StreamHandler", f"class=__import__('os').system({command!r})"), encoding="utf-8")


class _Call:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


class _Room:
    """Asks for ten gigabytes when it is unpickled, which `weights_only` admits."""

    def __reduce__(self) -> Any:
        return bytearray, (10**10,)


def _weights(write: Callable[[Path, str], None]) -> Plant:
    """What writes other weights into both files, whose hash is in order."""

    def plant(bundle: Path, command: str) -> None:
        write(bundle / MODEL, command)
        shutil.copyfile(bundle / MODEL, bundle / PLAIN)
        note_weights(bundle)

    return plant


def _legacy(path: Path, command: str) -> None:
    torch.save({"output.weight": _Call(command)}, path, _use_new_zipfile_serialization=False)


def _member(name: str, compression: int = zipfile.ZIP_STORED, size: int = 8) -> Callable[[Path, str], None]:
    """One more member in the archive."""

    def write(path: Path, command: str) -> None:
        with zipfile.ZipFile(path, "a", compression) as archive:
            archive.writestr(name, bytes(size))

    return write


def _overlapping(path: Path, command: str) -> None:
    """Members that all stand for the same bytes, each as large as the archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/data/0", bytes(10**5))
        first = archive.infolist()[-1]
        archive.filelist.extend([first] * 1000)
    path.write_bytes(buffer.getvalue())


def _lying(bundle: Path, command: str) -> None:
    content = bytearray((bundle / PLAIN).read_bytes())
    content[-4:] = b"\x00\x00\x80\x3f"
    (bundle / PLAIN).write_bytes(bytes(content))


def _unhashed(bundle: Path, command: str) -> None:
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    del metadata["training"]["weights_sha256"]
    path.write_text(json.dumps(metadata), encoding="utf-8")


def _plain_weights(content: Callable[[str], bytes]) -> Plant:
    def plant(bundle: Path, command: str) -> None:
        (bundle / PLAIN).write_bytes(content(command))
        note_weights(bundle)

    return plant


_BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))])
_DEEP = f"deep: {'[' * 500}{']' * 500}"

ATTACKS = {
    "import": Attack("`$import os`, and a call of it", _early('"$import os"\n  - {run}'), "monai", is_ignored=True),
    "expression": Attack("an expression in a list that is run", _early("{run}"), "monai", is_ignored=True),
    "system": Attack(
        "`_target_: os.system`", _early("{ _target_: os.system, command: {command} }"), "monai", is_ignored=True
    ),
    "eval": Attack("`_target_: builtins.eval`", _early("{ _target_: builtins.eval, source: {command} }"), is_ignored=True),
    "subprocess": Attack(
        "`_target_: subprocess.run`",
        _early("{ _target_: subprocess.run, args: {command}, shell: true }"),
        "monai",
        is_ignored=True,
    ),
    "short name": Attack(
        "a short name of MONAI's that runs a file",
        _early("{ _target_: run, config_file: /tmp/x.yaml, run_id: x }"),
        is_ignored=True,
    ),
    "setting": Attack("an expression in a setting", _in_settings("\nnormalise: ", "\nnormalise: {run}  # "), "monai"),
    "listed setting": Attack(
        "an expression in a setting's list",
        _in_settings("\npercentiles: [0.1,", "\npercentiles: [{run},"),
        "monai",
    ),
    "spaced setting": Attack("an expression behind a space", _in_settings("\nnorm: batch", '\nnorm: " $1/0"')),
    "disabled": Attack(
        "an expression under `_disabled_`",
        _replaced("\naccelerate:", "\naccelerate:\n  _disabled_: {run}"),
        "monai",
        is_ignored=True,
    ),
    "requires": Attack(
        "an expression under `_requires_`",
        _replaced("\naccelerate:", "\naccelerate:\n  _requires_: {run}"),
        "monai",
        is_ignored=True,
    ),
    "description": Attack(
        "an expression under `_desc_`",
        _replaced("\naccelerate:", "\naccelerate:\n  _desc_: {run}"),
        "monai",
        is_ignored=True,
    ),
    "debug": Attack(
        "`_mode_: debug`, which opens a debugger",
        _replaced("\naccelerate:", "\naccelerate:\n  _mode_: debug"),
        is_ignored=True,
    ),
    "reader": Attack(
        "a reader of MONAI's that unpickles images",
        _replaced("livecell_monai.transforms.PlaneReader", "NumpyReader"),
        is_ignored=True,
    ),
    "merged": Attack(
        "a key that merges (`+initialize`)", _replaced("\nrun: ", "\n+initialize: [{run}]\nrun: "), "monai", is_ignored=True
    ),
    "nested key": Attack(
        "a key that reaches into another (`device#x`)",
        _replaced("\nrun: ", '\n"initialize#0": {run}\nrun: '),
        "monai",
        is_ignored=True,
    ),
    "twice": Attack(
        "a key that stands twice", _replaced("\nrun: ", "\ninitialize: [{run}]\nrun: "), "monai", is_ignored=True
    ),
    "macro": Attack("a `%` macro to another file", _macro, "monai", is_ignored=True),
    "unknown entry": Attack("an entry of its own", _added("imports: [{run}]"), is_ignored=True),
    "root target": Attack("`_target_` at the top", _added("_target_: os.system"), is_ignored=True),
    "checkpoint": Attack(
        "a checkpoint outside the bundle",
        _replaced("checkpoint: \"$@bundle_root + '/models/model.safetensors'\"", "checkpoint: ../away/model.safetensors"),
        is_ignored=True,
    ),
    "bundle root": Attack("another bundle_root", _replaced('bundle_root: "."', "bundle_root: /etc"), is_ignored=True),
    "no weights": Attack("nothing that loads weights", _replaced('\n  - "@inference_network"', ""), is_ignored=True),
    "alias bomb": Attack("a YAML bomb of aliases", _in_settings("\nnorm: ", f"\n{_BOMB}\nnorm: ")),
    "deep": Attack("500 lists in each other", _in_settings("\nnorm: ", f"\n{_DEEP}\nnorm: ")),
    "long": Attack("a config of 2 MB", _in_settings("\nnorm: ", f"\n# {'x' * 2_000_000}\nnorm: ")),
    "python tag": Attack(
        "a Python tag", _in_settings("\nnorm: batch", "\nnorm: !!python/object/apply:os.system [{command}]")
    ),
    "second document": Attack("a second document", _in_settings("\nnorm: ", "\n---\nnorm: ")),
    "huge network": Attack("a network of 100 GB", _in_settings("\nfilters: [", "\nfilters: [8192, 8192, 8192, 8192, ")),
    "huge image": Attack("images enlarged a thousandfold", _in_settings("\nscale: 1.0", "\nscale: 1000.0")),
    "link to a config": Attack("a config that is a symbolic link", _linked(SETTINGS)),
    "link to weights": Attack("weights that are a symbolic link", _linked(PLAIN)),
    "metadata": Attack("an expression in metadata.json", _metadata, is_ignored=True),
    "logging": Attack("a class in logging.conf", _logging, is_ignored=True),
    "pickle": Attack(
        "a pickle that calls os.system", _weights(lambda path, run: torch.save({"w": _Call(run)}, path)), "pickle"
    ),
    "legacy pickle": Attack("the same in the older format", _weights(_legacy), "pickle"),
    "large pickle": Attack(
        "a pickle of 10 GB that weights_only admits", _weights(lambda path, run: torch.save({"w": _Room()}, path))
    ),
    "absolute member": Attack("an archive member /etc/x", _weights(_member("/etc/x"))),
    "member above": Attack("an archive member ../../x", _weights(_member("archive/../../x"))),
    "zip bomb": Attack(
        "10 MB in a deflated member of 10 kB", _weights(_member("archive/data/999", zipfile.ZIP_DEFLATED, 10**7))
    ),
    "overlap": Attack("1,000 members over the same bytes", _weights(_overlapping)),
    "large file": Attack("weights of 8 MB for a network of a few kB", _weights(_member("archive/data/999", size=2**23))),
    "lying hash": Attack("weights whose hash is another", _lying),
    "no hash": Attack("weights whose hash nobody has noted", _unhashed),
    "long header": Attack(
        "a safetensors header of 2^60 bytes", _plain_weights(lambda run: struct.pack("<Q", 2**60) + b"{}")
    ),
    "renamed pickle": Attack("a pickle named model.safetensors", _plain_weights(lambda run: pickle.dumps(_Call(run)))),
}  #: by a short name
