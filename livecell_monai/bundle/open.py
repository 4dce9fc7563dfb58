"""A bundle opened: its configs, overlays and settings, the same files that `monai.bundle run` reads."""

import difflib
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow

from livecell_monai.bundle.plain_yaml import parse_values, read_values
from livecell_monai.bundle.trusting import EITHER, PATHS, check_foreign, check_links, is_plain
from livecell_monai.errors import BundleError, SettingError


class Workflow(ConfigWorkflow):  # type: ignore[misc]
    """A bundle as MONAI runs it, but for its folder, which MONAI puts ahead of Python's own on the search path.

    Args:
        trusted: whether modules of that folder may be imported.
        given: as MONAI takes it.
    """

    def __init__(self, trusted: bool, **given: Any) -> None:
        super().__init__(**given)
        self.trusted = trusted

    def run(self) -> Any:
        """Run what `run_id` names."""
        return super().run() if self.trusted else self._run_expr(id=self.run_id)


def find_template() -> Path:
    """The folder of the bundle that training starts from: in the installed package, or at the top of the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_bundle", package.parent / "bundle"):
        if (folder / "configs" / "inference.yaml").is_file():
            return folder
    raise BundleError(f"{package}: the package must come with its bundle, found none; install livecell-monai again")


def open_bundle(
    bundle: str | Path,
    configs: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    paths: Mapping[str, Any] | None = None,
    overlays: Sequence[str] = (),
    run_id: str = "run",
    workflow_type: str = "infer",
    trust: bool = False,
) -> Workflow:
    """Open a bundle, ready to `initialize` and `run`; ahead of it, refuse one that may run other code than livecell's.

    Args:
        bundle: the folder.
        configs: files of its `configs/`, later ones over earlier ones; `.yaml` may be left out.
        settings: values over those of the files, by name of the setting.
        paths: where to read and write; not settings of the method.
        overlays: files with settings over those of the configs, of `configs/` or by a path; later ones over earlier ones.
        run_id: what `run` runs.
        workflow_type: `train` or `infer`.
        trust: whether to run whatever the bundle says; symbolic links and weights are refused all the same.

    Raises:
        BundleError: where the folder is no bundle, or a foreign one that differs in more than its settings.
        SettingError: where a setting is unknown or of another kind.
    """
    root = Path(bundle).resolve()
    files = [find_config(root, name) for name in configs]
    check_untrusted(root, files, trust)
    known = read_settings(files)
    for name, value in (settings or {}).items():
        check_setting(f"--set {name}", name, value, known)
    for overlay in overlays:
        files.append(find_config(root, overlay))
        read_values(files[-1], "an overlay")  # ahead of MONAI, whose reader expands whatever it is given
        # what is no setting would not be found again in the bundle that training leaves
        for name, value in _load([files[-1]]).items():
            check_setting(f"{files[-1]}: {name}", name, value, known)
    with warnings.catch_warnings():
        # MONAI warns on every run that configs are code; SECURITY.md says so once
        warnings.simplefilter("ignore")
        logging.getLogger("monai.bundle.workflows").setLevel(logging.ERROR)
        return Workflow(
            trust,
            config_file=[str(file) for file in dict.fromkeys(files)],
            meta_file=str(root / "configs" / "metadata.json"),
            logging_file=False,
            run_id=run_id,
            workflow_type=workflow_type,
            bundle_root=str(root),
            **dict(settings or {}),
            **dict(paths or {}),
        )


def check_untrusted(root: Path, files: Sequence[Path], trust: bool = False) -> None:
    """Refuse a bundle that is not to be opened, before anything of it is read that could run.

    Args:
        root: the bundle.
        files: its configs that are to be opened.
        trust: whether they may say what they like.

    Raises:
        BundleError: where it holds symbolic links, or says something outside its settings that livecell's own does not.
    """
    template = find_template()
    if root.resolve() == template.resolve():
        return
    check_links(root)
    if not (root / "configs" / "metadata.json").is_file():  # nothing else tells what the weights are to be
        raise BundleError(
            f"{root}: a bundle must have configs/metadata.json, found none; name the folder that training left"
        )
    if not trust:
        check_foreign(root, files, template)


def read_settings(files: Sequence[Path]) -> dict[str, Any]:
    """The settings of config files, merged: what stands at the top level as a plain value.

    Raises:
        BundleError: where a file is not YAML.
    """
    return {name: value for name, value in _load(files).items() if name not in PATHS and is_plain(value)}


def parse_setting(text: str) -> tuple[str, Any]:
    """A setting as the command line gives it, `key=value`, the value in YAML.

    Raises:
        SettingError: where there is no `=` or the value is not YAML.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise SettingError(f"--set must be given as key=value, got {text!r}; for example --set lr=0.0005")
    return name.strip(), parse_values(value, f"--set {name.strip()} must have a value in YAML")


def _load(files: Sequence[Path]) -> dict[str, Any]:
    try:
        merged: dict[str, Any] = ConfigParser.load_config_files([str(file) for file in files])
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise BundleError(f"{files[-1]}: a config must be a mapping in YAML, got: {reason}; mend it") from error
    return merged


def find_config(root: Path, name: str) -> Path:
    """The file of a config or an overlay: of a bundle's `configs/`, where `.yaml` may be left out, or by a path.

    Raises:
        BundleError: where there is none.
    """
    if not (root / "configs").is_dir():
        raise BundleError(f"{root}: a bundle must have a folder configs/, found none; name the folder that training left")
    given = Path(name if Path(name).suffix else f"{name}.yaml")
    own = root / "configs" / given.name
    path = own if given.name == str(given) and (own.is_file() or not given.is_file()) else given
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in own.parent.glob("*.yaml")))
        raise BundleError(f"{path}: a config must be a YAML file, found none; there are: {there}")
    return path.resolve()


def check_setting(where: str, name: str, value: Any, known: Mapping[str, Any]) -> None:
    """Refuse a setting that the bundle does not have, or a value of another kind than the bundle's own.

    Args:
        where: what the message begins with.
        name: of the setting.
        value: of the setting.
        known: the bundle's own settings with their values.

    Raises:
        SettingError: where it is so.
    """
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise SettingError(
            f"{where}: the setting must be one of the bundle's, there is none of this name; did you mean {near[0]}?"
        )
    if not is_plain(value):  # MONAI would run it
        raise SettingError(f"{where}: the value must not begin with $, @ or %, got {value!r}; correct it")
    if not _is_finite(value):
        raise SettingError(f"{where}: a number must be finite, got {value!r}; correct it")
    if name not in EITHER and known[name] is not None and not _is_alike(value, known[name]):
        raise SettingError(
            f"{where}: the value must be of the kind of the bundle's own ({known[name]!r}), got {value!r}; correct it"
        )


def _is_finite(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _is_alike(value: Any, own: Any) -> bool:
    if isinstance(own, bool) or isinstance(value, bool):
        return isinstance(own, bool) and isinstance(value, bool)
    if isinstance(own, float):
        return isinstance(value, int | float)
    return isinstance(value, type(own))
