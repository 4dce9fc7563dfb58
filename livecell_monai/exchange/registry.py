"""The formats by name, and which of them a file or folder is."""

import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from livecell_monai.data.paths import find_zarr, is_image, stem_of
from livecell_monai.errors import DataError, SettingError
from livecell_monai.exchange.base import Format, import_exchange, raise_broken
from livecell_monai.exchange.ctc import is_ctc_folder
from livecell_monai.exchange.depth import DepthLimit
from livecell_monai.exchange.label_images import name_labelled
from livecell_monai.exchange.matching import name_annotated

LABELS = Format("labels", "label images", "label_images:read_label_image")
FORMATS = {
    each.name: each
    for each in (
        Format("roi", "ImageJ ROIs", "roi:read_rois", "roi:RoiWriter", "{name}.zip"),
        Format("geojson", "GeoJSON", "geojson:read_geojson", "geojson:GeoJsonWriter", "{name}.geojson", measures=True),
        Format("coco", "COCO JSON", "coco:read_coco", "coco:CocoWriter", "{name}_coco.json", "coco.json", is_of_many=True),
        Format("ctc", "Cell Tracking Challenge", "ctc:read_ctc", "ctc:CtcWriter", "{name}_RES"),
        Format("omezarr", "OME-Zarr", "label_images:read_label_image", "ome_zarr:OmeZarrWriter", "{name}_cells.ome.zarr"),
        Format(
            "omezarr-0.4",
            "OME-Zarr 0.4",
            "label_images:read_label_image",
            "ome_zarr:OmeZarr04Writer",
            "{name}_cells.zarr",
        ),
        Format("labelme", "labelme JSON", "labelme:read_labelme"),
        Format("cvat", "CVAT XML", "cvat:read_cvat", is_of_many=True),
        LABELS,
    )
}
_BY_ENDING = {
    ".zip": "roi",
    ".roi": "roi",
    ".geojson": "geojson",
    ".geojson.gz": "geojson",
    ".xml": "cvat",
    ".zarr": "omezarr",
}
#: in lower case, of files that are annotations by their names alone; microscopes write .xml files too
ENDINGS = tuple(ending for ending in _BY_ENDING if ending != ".xml")
_BY_KEY = {"features": "geojson", "shapes": "labelme", "annotations": "coco", "images": "coco"}  # of a .json file
_OF_FEATURES = (("item", "geometry"), ("item", "properties"), ("item.type", "Feature"))  # in a plain list of features
_READ_AS = {"omezarr-0.4": "omezarr"}  # an OME-Zarr states its version itself
_PICKLE = "_seg.npy"  # of Cellpose


def find_writers(names: Sequence[str], option: str = "--format") -> list[Format]:
    """The formats of an option, each once; a SettingError for one that is unknown or cannot be written, or for none."""
    known = [name for name, each in FORMATS.items() if each.writer]
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        got = repr(wrong[0]) if wrong else "none"
        raise SettingError(f"{option} must list some of {', '.join(known)}, separated by commas, got {got}; correct it")
    return [FORMATS[name] for name in dict.fromkeys(names)]


def find_sources(source: Path, wanted: str | None = None) -> list[tuple[Format, Path]]:
    """The annotation files of a file or folder with their formats, sorted by name.

    `wanted` is the name of a format, None for the only one. A DataError if there is none, or there are several formats.
    """
    if wanted is not None and wanted not in FORMATS:
        raise SettingError(f"--format must be one of {', '.join(FORMATS)}, got {wanted!r}; correct it")
    if not source.exists():
        raise DataError(f"{source}: the annotations must exist, there is no such file or folder; correct the path")
    if source.is_file() or find_zarr(source) is not None or is_ctc_folder(source):
        return [(_require(source) if wanted is None else FORMATS[wanted], source)]
    paths = sorted(path for path in source.iterdir() if not path.name.startswith("."))
    chosen = paths if wanted in (None, *_BY_KEY.values()) else [path for path in paths if not _is_json(path)]
    found = [(form, path) for path in chosen if (form := find_format(path)) is not None]
    if wanted is None:  # images beside annotations are no labels
        found = prefer_labels(found)
        found = [each for each in found if each[0] is not LABELS] or found
        _check_named([path for form, path in found if form is LABELS], chosen)
    else:
        found = [each for each in found if each[0].name == _READ_AS.get(wanted, wanted)]
    if found and found[0][0] is LABELS:  # nor are images beside NAME_masks
        found = [each for each in found if name_labelled(each[1]) != stem_of(each[1])] or found
    names = list(dict.fromkeys(form.name for form, _ in found))
    if len(names) > 1:
        one, other = (next(path.name for form, path in found if form.name == name) for name in names[:2])
        raise DataError(f"{source}: the annotations must be of one format, got {one} and {other}; choose by --format")
    if not found:
        refuse_pickles(source, paths)
        for path in chosen:  # one that cannot be read may be the annotation
            if _is_json(path):
                _find_json(path)
            elif path.suffix.lower() == ".zip" and wanted in (None, "roi"):
                list(FORMATS["roi"].read(path, ()))
        raise DataError(f"{source}: must hold annotations, found none of {wanted or ', '.join(FORMATS)}; correct the path")
    return found


def _check_named(labels: Sequence[Path], paths: Sequence[Path]) -> None:
    """Raise the DataError of a .json that cannot be read and has the name of an image: the image is no label image."""
    stems = {stem_of(path) for path in labels}
    for path in paths:
        if _is_json(path) and name_annotated(path, stems) in stems:
            _find_json(path)


def prefer_labels(found: Sequence[tuple[Format, Path]]) -> list[tuple[Format, Path]]:
    """The files without Cellpose's `NAME_rois.zip` where its label image `NAME_cp_masks`, which is exact, is there too."""
    labelled = {name_labelled(path) for form, path in found if form is LABELS and name_labelled(path) != stem_of(path)}
    return [
        (form, path)
        for form, path in found
        if form.name != "roi" or not path.stem.lower().endswith("_rois") or name_annotated(path) not in labelled
    ]


def find_format(path: Path) -> Format | None:
    """The format of an annotation file or folder by its name, of a .json by its first keys.

    None for any other, also for a .json that cannot be read and a .zip of other files than ROIs.
    """
    if path.is_file() and path.name.lower().endswith(".zip") and not _may_hold_rois(path):
        return None
    with suppress(DataError):
        return _find_format(path)
    return None


def _find_format(path: Path) -> Format | None:
    """The format by the name of a file or folder, of a .json by its first keys; a DataError if that cannot be read."""
    lower = path.name.lower()
    ending = next((each for each in sorted(_BY_ENDING, key=len, reverse=True) if lower.endswith(each)), None)
    if ending is not None:
        return FORMATS[_BY_ENDING[ending]]
    if path.is_dir():
        return FORMATS["ctc"] if is_ctc_folder(path) else None
    if _is_json(path):
        return _find_json(path)
    return LABELS if is_image(path) else None


def _is_json(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(".json")


def _may_hold_rois(path: Path) -> bool:
    """Whether a zip is empty, holds a ROI, or cannot be read, which is reported where it is read."""
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError):
        return True
    return not names or any(name.lower().endswith(".roi") for name in names)


def _require(path: Path) -> Format:
    """The format of a file; a DataError if it is none."""
    refuse_pickles(path, [path])
    found = _find_format(path)
    if found is None:
        raise DataError(
            f"{path}: must be annotations, such as .zip, .roi, .geojson, .json, .xml or label images; export it as one"
        )
    return found


def refuse_pickles(source: Path, paths: Sequence[Path]) -> None:
    """Reject Cellpose's own files: reading them can run any program that their author put into them."""
    found = next((path for path in paths if path.name.lower().endswith(_PICKLE)), None)
    if found is not None:
        raise DataError(
            f"{found}: a {_PICKLE} file is a pickle, which may run a program when it is read; in Cellpose choose File >"
            " Save masks as PNG/tif, or give it --save_tif, then import NAME_cp_masks"
        )


def _find_json(path: Path) -> Format | None:
    """The format of a .json file by the keys of its outermost object; None if it is none of them."""
    ijson = import_exchange("ijson", path)
    is_list = False
    try:
        with open(path, "rb") as stream:
            for prefix, event, value in ijson.parse(DepthLimit(stream), use_float=True):
                if event == "map_key" and not prefix and value in _BY_KEY:
                    return FORMATS[_BY_KEY[value]]
                is_list = is_list or (prefix, event) == ("", "start_array")  # of features, of none or of anything else
                if is_list and ((prefix, event) == ("", "end_array") or (prefix, value) in _OF_FEATURES):
                    return FORMATS["geojson"]
                if is_list and prefix == "item" and event not in ("start_map", "map_key"):
                    return None
    except (ijson.common.JSONError, OSError, ValueError) as error:
        raise_broken(path, "JSON", error)
    return None
