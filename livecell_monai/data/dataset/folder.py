"""Lists the samples of a data folder or datalist; images, labels, borders and ignore files are matched by stem.

A data folder has `train/images`, `train/labels`, optional `train/borders`, `test/images` and optional `test/labels` of all
or some images; `train/ignore` and `test/ignore` of some images say where these are not annotated. A datalist is MONAI's
JSON: `{"training": [{"image": ..., "label": ..., "border": ..., "ignore": ..., "group": ...}], "test": [...]}` with paths
relative to the JSON file, and an optional list "validation" for a split made by the user.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from livecell_monai.data.dataset.near_names import list_near_names, match_near_names
from livecell_monai.data.paths import compose, list_folder, stem_of
from livecell_monai.errors import DataError
from livecell_monai.sample import IMAGE, LABEL, NAME, Sample

BORDER = "border"  #: key of the weight per pixel in a datalist
IGNORE = "ignore"  #: key of the plane that marks what is not annotated in a datalist
KINDS = ("images", "labels", "borders", "ignore")  #: folders of a role
_ESCAPE = re.compile(r'\\(\\|"|/|u[0-9a-fA-F]{4})?')  # all that JSON needs in paths
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')  # after the last entry, outside of strings
ROLES = {"train": "training", "validation": "validation", "test": "test"}  # folder name -> key of a datalist


def list_samples(data: str | Path, role: str, unlabelled_value: int | None = None) -> list[Sample]:
    """The samples of a role, `train`, `test` or, of a datalist, `validation`, sorted by name.

    `unlabelled_value` is the value of label files where they are not annotated, beside -1.
    Raises a DataError if the folder or datalist is invalid, or an image, label, border or ignore file has no counterpart.
    """
    root = Path(data)
    samples = _read_datalist(root, role) if root.suffix.lower() == ".json" else _read_folder(root, role)
    return [replace(sample, unlabelled_value=unlabelled_value) for sample in samples]


def _read_folder(root: Path, role: str) -> list[Sample]:
    _check_root(root)
    images = _by_stem(root / role / "images", needed=True)
    labels = _by_stem(root / role / "labels", needed=role == "train")
    borders, ignores = (_by_stem(root / role / kind, needed=False) for kind in KINDS[2:])
    labels, borders, ignores = (match_near_names(images, others) for others in (labels, borders, ignores))
    _check_matched(images, labels, "a label", some=role == "test")
    _check_matched(images, borders, "a border")
    _check_have(ignores, images, "an ignore file must have an image")
    return [
        Sample(stem, path, labels.get(stem), borders.get(stem), ignore=ignores.get(stem)) for stem, path in images.items()
    ]


def _check_root(root: Path) -> None:
    """Reject what is no data folder, and name the one that is meant or the folders that it needs."""
    outer = next((folder for folder in [*root.parents][:3] if (folder / "train" / "images").is_dir()), None)
    is_inner = outer is not None and not any((root / role).is_dir() for role in ROLES)
    if is_inner and (root.is_file() or root.name in (*ROLES, *KINDS)):
        raise DataError(f"{root}: a data folder must hold train/images, this is a part of one; name {outer}")
    if not root.is_dir():
        what = "must be a folder, this is a file" if root.is_file() else "does not exist"
        raise DataError(f"{root}: the data folder {what}; give a folder with train/images in it")
    if not any((root / role).is_dir() for role in ROLES) and list_folder(root):
        raise DataError(
            f"{root}: a data folder must hold train/images and train/labels, or images with their annotations beside them "
            f"(a.tif with a.zip, a.geojson, a.json or a_masks.tif), got images alone; save annotations beside some of them, "
            f"or use those of another folder: livecell import ANNOTATIONS --images {root} --output cells"
        )


def describe_unlabelled(has_label: Sequence[bool]) -> str | None:
    """A note if some test images have a label and others have none; None if all or none have one."""
    labelled, total = sum(has_label), len(has_label)
    if labelled in (0, total):
        return None
    verb = "has a label and is" if labelled == 1 else "have labels and are"
    return f"{labelled} of {total} test images {verb} scored, the other {total - labelled} not"


def has_role(data: str | Path, role: str) -> bool:
    """Whether a datalist has a list for a role, or a data folder a subfolder; False if it cannot be read."""
    root = Path(data)
    if root.suffix.lower() != ".json":
        return role != "validation" and (root / role).exists()  # only datalists have one
    try:
        return bool(_read_json(root).get(ROLES[role], []) != [])
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def list_folders(data: str | Path) -> list[Path]:
    """The folders of images, labels, borders and ignore files of a data folder; none of a datalist."""
    root = Path(data)
    is_list = root.suffix.lower() == ".json"
    return [] if is_list else [root / role / kind for role in ("train", "test") for kind in KINDS]


def name_data(data: str | Path) -> str:
    """The name of a data folder or datalist: its last part, of a datalist without ending."""
    path = Path(data).resolve()
    return path.stem if path.suffix.lower() == ".json" else path.name


def _by_stem(folder: Path, needed: bool) -> dict[str, Path]:
    """The image files of a folder by stem, sorted; hidden and other files are skipped."""
    if not folder.is_dir():
        if needed:
            raise DataError(f"{folder}: the folder does not exist; create it and put the images in")
        return {}
    found: dict[str, Path] = {}
    for path in list_folder(folder):
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise DataError(f"{path}: each file must have its own stem, {other.name} has the same; remove one of the two")
    if needed and not found:
        raise DataError(f"{folder}: the folder must hold at least one image, got none; put TIFF, PNG, JPEG or NIfTI in")
    return found


def _check_matched(images: dict[str, Path], others: dict[str, Path], what: str, some: bool = False) -> None:
    """Reject an image without `what`, its label or border, and the reverse; a role may have none of them at all.

    With `some`, images may lack one, unless another label or border is left over: its name may be misspelt.
    """
    if not others or (some and not others.keys() - images.keys()):
        return
    _check_have(images, others, f"an image must have {what}")
    _check_have(others, images, f"{what} must have an image")


def _check_have(one: dict[str, Path], found: dict[str, Path], rule: str) -> None:
    """Reject the first file whose stem is not among the others, by a rule in words."""
    alone = next((path for stem, path in one.items() if stem not in found), None)
    if alone is not None:
        folder = next(iter(found.values())).parent
        free = [stem for stem in found if stem not in one]
        near = [found[stem].name for stem in list_near_names(stem_of(alone), free)]
        remedy = f"add it or rename {' or '.join(near[:2])}" if near else "add it"
        raise DataError(f"{alone}: {rule} of the same stem, found none in {folder}; {remedy}")


def _resolve(folder: Path, text: str) -> Path:
    """A path of a datalist; one with backslashes, or in another case or Unicode form, comes from another system."""
    path = folder / text
    if path.exists():
        return path
    for letter, control in _CONTROL.items():  # of JSON: `images\new.tif` has a line break
        text = text.replace(control, f"/{letter}")
    path = folder / text.replace("\\", "/")
    try:
        same = [other for other in path.parent.iterdir() if _plain(other.name) == _plain(path.name)]
    except OSError:
        return path
    return same[0] if len(same) == 1 and not path.exists() else path


def _name_nearest(path: Path) -> str:
    """The image whose name is nearest to that of a missing file, for a message; empty if there is none."""
    try:
        found = {stem_of(other): other.name for other in list_folder(path.parent)}
    except DataError:
        return ""
    near = list_near_names(stem_of(path), found)
    return f", {found[near[0]]} does" if near else ""


def _plain(name: str) -> str:
    return compose(name).casefold()


def _read_json(path: Path) -> dict[str, Any]:
    """The lists of a datalist by their keys in lower case; single backslashes and a comma after the last entry are right."""
    content = path.read_bytes()
    text = _COMMA.sub(lambda found: found[1] or "", content.decode(json.detect_encoding(content)))
    try:
        lists = json.loads(text)
    except json.JSONDecodeError:  # if it is no JSON because of its backslashes, all single ones are parts of paths
        lists = json.loads(_ESCAPE.sub(lambda found: found[0] if found[1] else "\\\\", text))
    if not isinstance(lists, dict):
        raise TypeError(f"a {type(lists).__name__}")
    return {key.lower(): value for key, value in lists.items()}


def _read_datalist(path: Path, role: str) -> list[Sample]:
    rule = f'a datalist must be JSON with a list "{ROLES[role]}"'
    try:
        lists = _read_json(path)
    except OSError as error:
        raise DataError(f"{path}: the datalist cannot be read ({error.strerror}); correct the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: {rule} in UTF-8, got other characters; save it as UTF-8") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: {rule}, got {_describe_json(error)}; correct it") from error
    entries = lists.get(ROLES[role])
    if not isinstance(entries, list):
        got = f"{type(entries).__name__} instead of a list" if ROLES[role] in lists else ", ".join(lists) or "nothing"
        raise DataError(f"{path}: {rule}, got {got}; correct it")
    samples = [_sample_of_entry(path, entry, role) for entry in entries]
    names = [sample.name for sample in samples]
    if len(set(names)) < len(names):  # the same stem in two folders is common: add the folder to the name
        samples = [replace(sample, name=f"{sample.image.parent.name}_{sample.name}") for sample in samples]
    first: dict[str, Sample] = {}
    for sample in samples:
        other = first.setdefault(sample.name, sample)
        if other is not sample:
            rule = "each image must have its own name, including its folder"
            raise DataError(f"{path}: {rule}, got {other.image} and {sample.image}; remove or rename one")
    if not samples:
        raise DataError(f'{path}: the list "{ROLES[role]}" must not be empty, got no entry; add images')
    return sorted(samples, key=lambda sample: sample.name)


def _describe_json(error: Exception) -> str:
    """What is wrong with a datalist, in words."""
    if isinstance(error, json.JSONDecodeError):
        return f"an error in line {error.lineno}, column {error.colno}: {error.msg}"
    return "lists inside lists without end" if isinstance(error, RecursionError) else str(error)


def _sample_of_entry(datalist: Path, entry: Any, role: str) -> Sample:
    fields = {IMAGE: entry} if isinstance(entry, str) else entry
    if isinstance(fields, dict):
        fields = {key.lower(): value for key, value in fields.items()}
    if not isinstance(fields, dict) or not isinstance(fields.get(IMAGE), str) or not fields[IMAGE]:
        raise DataError(f'{datalist}: an entry must be a path or have an "image", got {entry!r}; correct it')
    if role != "test" and not fields.get(LABEL):
        raise DataError(f'{datalist}: {fields[IMAGE]}: a {ROLES[role]} image must have a "label", got none; add it')
    for key in (LABEL, BORDER, IGNORE):
        if not isinstance(fields.get(key, ""), str | None):
            what = "an ignore file" if key == IGNORE else f"a {key}"
            raise DataError(f"{datalist}: {fields[IMAGE]}: {what} must be a path, got {fields[key]!r}; correct it")
    paths = {key: _resolve(datalist.parent, fields[key]) for key in (IMAGE, LABEL, BORDER, IGNORE) if fields.get(key)}
    for path in paths.values():
        if not path.exists():
            near = _name_nearest(path)
            raise DataError(f"{path}: the file is listed in {datalist.name} but does not exist{near}; correct the datalist")
    group, name = fields.get("group"), fields.get(NAME, stem_of(paths[IMAGE]))
    if not isinstance(name, str) or Path(name).name != name or name in ("", "..") or not name.isprintable():
        raise DataError(f"{datalist}: {fields[IMAGE]}: a name must be a valid file name, got {name!r}; correct it")
    group = None if group is None else str(group)
    return Sample(compose(name), paths[IMAGE], paths.get(LABEL), paths.get(BORDER), group, ignore=paths.get(IGNORE))
