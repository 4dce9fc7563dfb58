"""Commands about the formats of other programs: import, export, export-model."""

from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import Bundle, Diameter, Overwrite, Set, app, print_note, read_settings


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Annotations: a file, or a folder of files of one format.")],
    images: Annotated[Path, typer.Option(help="Folder of the images; names as in the annotations.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Empty or new folder for the data.")],
    class_: Annotated[
        list[str],
        typer.Option("--class", metavar="NAME", help="Class that is a cell, none for objects without one; repeatable."),
    ] = [],  # noqa: B006
    format_: Annotated[
        str | None, typer.Option("--format", help="Format to read, if the folder has several: roi, geojson, coco ...")
    ] = None,
) -> None:
    """Make a data folder of annotations of other programs: train/images, train/labels and, for parts without, train/ignore.

    Reads ImageJ ROIs (.zip, .roi), GeoJSON of QuPath, COCO, labelme and CVAT files, folders of the Cell Tracking Challenge,
    OME-Zarr labels, and label images of napari, Cellpose (NAME_masks, NAME_cp_masks) and others.

    Example: `livecell import annotations --images images --output cells`
    """
    from livecell_monai.exchange.importing import describe_import, import_annotations

    done = import_annotations(source, images, output, class_, format_)
    for line in describe_import(done, images):
        print_note(line)
    count, cells = done.counts.images, done.counts.cells
    what = f"{count:,} {'image' if count == 1 else 'images'} with {cells:,} {'cell' if cells == 1 else 'cells'}"
    print(f"{output}: {what}, from {' and '.join(done.titles)}; next: livecell check {output}")


@app.command()
def export(
    result: Annotated[Path, typer.Argument(help="Folder of a prediction with cells, or any folder of label images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Empty or new folder.")],
    format_: Annotated[
        str,
        typer.Option("--format", help="What to write, separated by commas: roi, geojson, coco, ctc, omezarr, omezarr-0.4."),
    ] = "roi,geojson",
) -> None:
    """Write label images of cells for other programs.

    `roi` are ImageJ's ROIs (NAME.zip), `geojson` is for QuPath, `coco` is one file for all images, `ctc` are folders of the
    Cell Tracking Challenge, `omezarr` has the cells as a label image, in OME-Zarr 0.5.

    Example: `livecell export masks --format roi,geojson --output exported`
    """
    from livecell_monai.exchange.exporting import export_labels
    from livecell_monai.exchange.importing import shorten_notes
    from livecell_monai.outputs.cell_values import CellValues

    formats = [name.strip() for name in format_.split(",") if name.strip()]
    done = export_labels(result, output, formats, CellValues(result).find)
    for line in shorten_notes(done.notes):
        print_note(line)
    files = done.files[0] if len(done.files) == 1 else f"{len(done.files)} files, such as {done.files[0]}"
    print(f"{output}: {done.cells:,} cells of {done.images:,} {'image' if done.images == 1 else 'images'} in {files}")


@app.command("export-model")
def export_model(
    bundle: Bundle,
    output: Annotated[Path, typer.Option("--output", "-o", help="File: .onnx, .pt, .zip, or .xml with .bin beside it.")],
    format_: Annotated[str, typer.Option("--format", help="onnx, torchscript, bioimageio or openvino.")] = "onnx",
    image: Annotated[
        Path | None, typer.Option(help="Test image on which the masks must agree; else a procedural one.")
    ] = None,
    diameter: Diameter = None,
    author: Annotated[
        list[str], typer.Option(metavar="NAME", help="Author of the model, else those of the bundle; repeatable.")
    ] = [],  # noqa: B006
    license_: Annotated[
        str | None, typer.Option("--license", metavar="SPDX", help="Licence of the weights, else Apache-2.0.")
    ] = None,
    overwrite: Overwrite = False,
    set_: Set = [],  # noqa: B006
) -> None:
    """Write a bundle as a model for other programs: grey values in, maps out, on images of any size.

    `onnx` and `torchscript` are one file each, `bioimageio` is a package (.zip) with both, `openvino` runs most of the
    network in integers of 8 bits with `--set backend=int8`. The model is written only if its masks agree with those of the
    bundle.

    Example: `livecell export-model model --format bioimageio --output model.zip`
    """
    from livecell_monai.experiments.locate import located
    from livecell_monai.packaging.exporting import ExportOptions, export_bundle
    from livecell_monai.prediction.zero_shot import check_diameter

    settings = read_settings(set_, cell_diameter=diameter)
    options = ExportOptions(Path(bundle).resolve().name, image, author, license_, settings, overwrite)
    with located(bundle) as folder:
        check_diameter(folder, diameter)
        parity = export_bundle(folder, format_, output, options)
    shown = f"IoU {parity.iou:.4f}; its maps differ by {parity.largest_difference:.1e} at most"
    print(f"{output}: its masks agree with those of the bundle at {shown}")
