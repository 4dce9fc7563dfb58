"""Samples predicted one at a time, for reports and for the ranges of the int8 backend."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from monai.networks.utils import eval_mode
from monai.transforms import CenterSpatialCrop
from torch.nn.functional import interpolate

from livecell_monai.data.dataset.items import Item
from livecell_monai.errors import LiveCellError
from livecell_monai.network import Range, measure_ranges
from livecell_monai.prediction.cell_pairs import take_ids
from livecell_monai.prediction.datasets import ReadableDataset
from livecell_monai.prediction.evaluation_step import predict_sample
from livecell_monai.prediction.prepared import ImageInMemory, plane_of, without_metadata
from livecell_monai.prediction.segmenter import ImageLike, Segmenter
from livecell_monai.sample import IMAGE, LABEL, LABELLED, MAPS, NAME, PRED, REGION, Pixels, Region, SamplePrediction

MEASURED = 8  # images whose maps are measured
MIDDLE = 1024  # pixels of their edges: time and memory must not grow with the images


def predict_samples(segmenter: Segmenter, samples: Iterable[Mapping[str, Any]], role: str) -> Iterator[SamplePrediction]:
    """Predict preprocessed samples one after the other; their role is `validation` or `test`.

    Cells are separated where the label tells them apart, or the bundle writes cells.
    """
    for number, sample in enumerate(samples, start=1):
        output = predict_sample(segmenter, sample)
        mask = plane_of(output[PRED]) > 0
        image = interpolate(without_metadata(sample[IMAGE])[None].float(), mask.shape, mode="bilinear")[0]
        true_cells = take_ids(sample)
        yield SamplePrediction(
            name=str(sample.get(NAME, f"{role} {number}")),
            role=role,
            image=plane_of(image),
            probability=plane_of(segmenter.head.take_foreground(output[MAPS])),
            mask=mask,
            truth=plane_of(output[LABEL]) > 0 if LABEL in output else None,
            labelled=plane_of(output[LABELLED]) if LABELLED in output else None,
            cells=segmenter.cells_of(sample, mask, output[MAPS])
            if segmenter.decoder.is_on or true_cells is not None
            else None,
            true_cells=true_cells,
            region=Region(*map(int, sample[REGION])) if sample.get(REGION) is not None else None,
        )


def predict_items(segmenter: Segmenter, items: Iterable[Item], role: str) -> Iterator[SamplePrediction]:
    """Read and predict images; one that cannot be read is skipped. Otherwise as `predict_samples`."""
    yield from predict_samples(segmenter, ReadableDataset(list(items), segmenter.preprocessing), role)


def measure_map_ranges(segmenter: Segmenter, images: Sequence[ImageLike | Callable[[], Pixels]]) -> dict[str, Range]:
    """Ranges of the network's maps in the middle of some images, spread evenly over all; see `measure_ranges`.

    A function reads an image, such as a window of a large one. An image that cannot be read is skipped.
    """
    step = max(1, len(images) / MEASURED)
    some = [images[int(index * step)] for index in range(min(MEASURED, len(images)))]
    middle = CenterSpatialCrop((MIDDLE, MIDDLE))

    def run() -> None:
        for image in some:
            try:
                sample = segmenter.prepare(image() if callable(image) else image)
            except LiveCellError:  # is reported when it is predicted
                continue
            segmenter.inferer.whole(ImageInMemory(middle(sample[IMAGE])), segmenter.network, segmenter.device)

    with eval_mode(segmenter.network):
        return measure_ranges(segmenter.network, run)
