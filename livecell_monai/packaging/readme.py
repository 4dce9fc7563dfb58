"""The README of a bioimage.io package, Markdown."""

from livecell_monai.packaging.facts import ModelFacts

_TEXT = """\
# {name}

{description}. Written by {producer} on {created} from a trained bundle.

- Input `image`: grey values (batch, 1, y, x) float32 in any unit, y and x as they are.
- Output `maps`: (batch, {count}, y, x) float32 in [0, 1], on the grid of the image. Channels: {channels}.
- Mask: `{first}` of at least {threshold:g}.{distance}

Everything else is inside of the model: grey values are brought to the median 0 and an even contrast, the image is
brought to the size at which the network works (factor {scale:g}) and padded, and the maps are brought back.

The grey values are normalised by the image as it is given. So predict whole images. Of tiles, each is normalised by
itself, and a tile without cells may show noise as cells; they should overlap by 64 px or more.

## Validation

On the test image of this package, the masks of these weights agree with those of the bundle at IoU {iou:.4f}; the maps
differ by {difference:.1e} at most. This says that the model was written correctly, not how good it is. The attached
`model_card.md` has the scores of the training, if there are some. Score the model on images of your own that were
annotated by hand and not used in the training: by the IoU of the masks, or the average precision of the cells.

## Limits

For research on cultured cells, not for diagnosis. One grey channel, two dimensions. Images whose cells have another size
than those of the training must be resized first.
"""

_DISTANCE = """
- Cells: `distance` is 0 at the rim of a cell and 1 in its middle. Touching cells are separated by a watershed on it, from
  its maxima, within the mask. The values that livecell uses are under `config`, `livecell`, `cells` in the rdf.yaml."""


def render_readme(facts: ModelFacts) -> str:
    """The README of a model whose parity was measured."""
    if facts.parity is None:
        raise ValueError("the parity of the model must be measured first")
    texts = facts.texts()
    return _TEXT.format(
        name=facts.name,
        description=facts.description.rstrip("."),
        producer=texts["producer"],
        created=facts.created,
        count=len(facts.channels),
        channels=", ".join(f"{number} `{name}`" for number, name in enumerate(facts.channels)),
        first=facts.channels[0],
        threshold=facts.threshold,
        distance=_DISTANCE if "distance" in facts.channels else "",
        scale=facts.scale,
        iou=facts.parity.iou,
        difference=facts.parity.largest_difference,
    )
