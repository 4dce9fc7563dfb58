"""Writes a trained bundle as a model for other programs, if its masks stay those of the bundle."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livecell_monai.bundle.contents import METADATA_FILE, read_bundle_settings
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.start import read_expected_diameter
from livecell_monai.errors import SettingError
from livecell_monai.network import Range, measure_ranges
from livecell_monai.packaging.bioimageio_package import check_names
from livecell_monai.packaging.example import Example, draw_example, predict_example, read_example
from livecell_monai.packaging.facts import ModelFacts, collect_facts
from livecell_monai.packaging.formats import FORMATS, Format, find_format
from livecell_monai.packaging.model import TracedModel, check_settings, trace_model
from livecell_monai.packaging.parity import LEAST_IOU, LEAST_IOU_INT8, Parity, check_parity, measure_parity
from livecell_monai.prediction.backends import read_ranges
from livecell_monai.prediction.segmenter import Segmenter
from livecell_monai.prediction.zero_shot import fit_settings
from livecell_monai.runs.atomic import check_overwrite, writing_errors
from livecell_monai.settings import check_setting

#: how the bundle predicts the test image: as the graph does, in float32 and as a whole
REFERENCE = {
    "accelerator": "cpu-fp32",
    "backend": "torch",
    "window": "auto",
    "window_memory": 16_000.0,
    "show_progress": False,
}


@dataclass(frozen=True)
class ExportOptions:
    """What can be chosen about an exported model."""

    name: str = "model"  #: of the bundle, part of the model's name
    image: Path | None = None  #: the test image; None for a drawn one
    authors: Sequence[str] = ()  #: those of the bundle if empty
    licence: str | None = None  #: SPDX identifier; None for that of the package
    settings: Mapping[str, Any] = field(default_factory=dict)  #: that override those of the bundle
    overwrite: bool = False


def export_bundle(bundle: str | Path, form: str, output: str | Path, options: ExportOptions | None = None) -> Parity:
    """Write a bundle as `onnx`, `torchscript`, `bioimageio` or `openvino`, and return how well its masks agree.

    `output` is the file; that of OpenVINO has its weights beside it. It is written as a whole or not at all.

    Raises:
        BundleError: the folder is no bundle, its network cannot be exported, or the masks differ.
        SettingError: format, file name or an option is invalid, a setting cannot be exported, or a library is missing.
        DataError: the test image cannot be read, or the file cannot be written.
    """
    options, path, folder = options or ExportOptions(), Path(output), Path(bundle)
    chosen = find_format(form, path)
    files = [path, *(path.with_suffix(ending) for ending in chosen.beside)]
    for file in files:
        check_overwrite(file, options.overwrite)
    model, facts, segmenter = _open(folder, chosen, options)
    least = LEAST_IOU if model.ranges is None else LEAST_IOU_INT8
    with writing_errors(path), tempfile.TemporaryDirectory(prefix=".exporting-", dir=path.absolute().parent) as name:
        draft = Path(name)
        parity = _measure(chosen, model, facts, segmenter, draft)
        check_parity(parity, least, f"{options.name}, --format {form}")
        chosen.write(model, facts.with_parity(parity), draft / path.name)
        for file in reversed(files):  # the one that names the others comes last
            (draft / file.name).replace(file)
    return parity


def _open(bundle: Path, form: Format, options: ExportOptions) -> tuple[TracedModel, ModelFacts, Segmenter]:
    """The model of a bundle on the test image, its facts, and the bundle's own segmenter."""
    is_int8 = _is_int8(bundle, form, options.settings)  # first: it finds out whether it is a bundle
    own = {name: value for name, value in options.settings.items() if name != "backend"}
    given = fit_settings(bundle, own, [] if options.image is None else [options.image])
    opened = open_bundle(bundle, ["inference"], {**given, **REFERENCE})
    check_settings(opened.settings)
    opened.network  # noqa: B018  loads the weights into the network of the segmenter
    segmenter = opened.segmenter
    channels = segmenter.head.channels
    facts = collect_facts(bundle, opened.settings, options.name, channels, options.authors, options.licence)
    if form.parts:
        check_names(facts)
    diameter = float(opened.settings["cell_diameter"])
    example = predict_example(segmenter, draw_example(diameter) if options.image is None else read_example(options.image))
    ranges = _find_ranges(bundle, segmenter, example) if is_int8 else None
    model = trace_model(segmenter, opened.settings, example, ranges)
    return model, facts, segmenter


def _is_int8(bundle: Path, form: Format, given: Mapping[str, Any]) -> bool:
    """Whether the network is to run in integers of 8 bits; a SettingError if the format cannot hold it so."""
    backend = given.get("backend", read_bundle_settings(bundle, ["inference"]).get("backend", "torch"))
    if check_setting("backend", backend) == "int8" and form.name != "openvino":
        raise SettingError(
            f"setting backend=int8 must be left out with --format {form.name}, which holds the network in float32; add "
            "--set backend=torch, or choose --format openvino"
        )
    return bool(backend == "int8")


def _find_ranges(bundle: Path, segmenter: Segmenter, example: Example) -> Mapping[str, Range]:
    """The ranges of the maps from the training; of the shipped start, which notes none, those on the test image."""
    if read_expected_diameter(bundle) is None:
        return read_ranges(bundle / "configs" / METADATA_FILE)
    return measure_ranges(segmenter.network, lambda: segmenter.maps(example.image))


def _measure(form: Format, model: TracedModel, facts: ModelFacts, segmenter: Segmenter, folder: Path) -> Parity:
    """The least agreement of the parts of a format, written and run in a folder."""
    found = []
    for part in (FORMATS[name] for name in form.parts or (form.name,)):
        assert part.open is not None
        path = folder / f"trial{part.endings[0]}"
        part.write(model, facts, path)
        found.append(measure_parity(part.open(path), segmenter, model.example.image))
    return Parity(min(one.iou for one in found), max(one.largest_difference for one in found))
