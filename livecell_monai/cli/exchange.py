"""Commands about the formats of other programs: import, export."""

from pathlib import Path
from typing import Annotated

import typer

from livecell_monai.cli.app import app, print_note


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
    from livecell_monai.outputs.cell_values import CellValues

    formats = [name.strip() for name in format_.split(",") if name.strip()]
    done = export_labels(result, output, formats, CellValues(result).find)
    files = done.files[0] if len(done.files) == 1 else f"{len(done.files)} files, such as {done.files[0]}"
    print(f"{output}: {done.cells:,} cells of {done.images:,} {'image' if done.images == 1 else 'images'} in {files}")
