"""A picture of what became of each cell: right, merged, split, missed or invented."""

import numpy as np

from livecell_monai.metrics.cells import INVENTED, MERGED, MISSED, RIGHT, SPLIT, CellMatches
from livecell_monai.outputs import figures
from livecell_monai.outputs.cells import outline_cells
from livecell_monai.outputs.figures import RGB
from livecell_monai.report.gallery import shrink_labels
from livecell_monai.report.pictures import LINE, Layers, Paint, draw, find_unlabelled, hatching
from livecell_monai.sample import Pixels

OUTLINE: RGB = (255, 255, 255)  # of the predicted cells
INKS = {
    RIGHT: figures.AGREED,
    MERGED: figures.MERGED,
    SPLIT: figures.SPLIT,
    MISSED: figures.MISSED,
    INVENTED: figures.INVENTED,
}
FATE_COLOURS: tuple[tuple[str, RGB], ...] = (
    ("right", INKS[RIGHT]),
    ("merged: shares a predicted cell", INKS[MERGED]),
    ("split into several", INKS[SPLIT]),
    ("missed", INKS[MISSED]),
    ("invented (no true cell)", INKS[INVENTED]),
    ("outline of a predicted cell", OUTLINE),
)
RIGHT_TINT, WRONG_TINT = 60, 125  # opacity inside a cell, of 255: the wrong ones must show first


def draw_fates(
    image: Pixels,
    cells: tuple[Pixels, Pixels],
    matches: CellMatches,
    most_bytes: int,
    longest: int,
    tinted: Pixels | None = None,
    labelled: Pixels | None = None,
) -> Layers:
    """An image (Y, X), or a part of it, with its cells in the colours of `FATE_COLOURS`.

    Args:
        image: grey values (Y, X).
        cells: the predicted and the true ids, each (Y, X).
        matches: what became of these cells.
        most_bytes: as for `draw`.
        longest: as for `draw`.
        tinted: (Y, X) bool, where cells are not only outlined; None for everywhere.
        labelled: (Y, X) bool, where the image is annotated, other pixels are hatched; None for everywhere.
    """
    where = np.ones(image.shape, bool) if tinted is None else tinted

    def paint(longest: int) -> list[Paint]:
        predicted, truth, shown = (shrink_labels(plane, longest) for plane in (*cells, where))
        fates = np.array(matches.fate, dtype=str)
        by_fate = [(fate, np.where(np.isin(truth, matches.true_ids[fates == fate]), truth, 0)) for fate in INKS]
        by_fate[-1] = (INVENTED, np.where(np.isin(predicted, matches.invented_ids), predicted, 0))
        tints = [((own > 0) & shown, INKS[fate], RIGHT_TINT if fate == RIGHT else WRONG_TINT) for fate, own in by_fate]
        outlines = [(outline_cells(own), INKS[fate], LINE) for fate, own in by_fate]
        ignored = hatching(find_unlabelled(labelled, shown.shape))
        return [*tints, (outline_cells(predicted), OUTLINE, LINE), *outlines, ignored]

    return draw(image, paint, most_bytes, longest)
