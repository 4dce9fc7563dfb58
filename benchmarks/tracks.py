"""How well and how fast cells are linked where the segmentation is given, beside plain laptrack on centroids.

Run: `LIVECELL_DATA=FOLDER python benchmarks/tracks.py [--time] [--sample SEED...]`. The movie is `tracks/hela` of the
folder, 92 frames in the form of the Cell Tracking Challenge, or with `--sample` movies that are drawn; their ids are the
truth, the linkers see only the objects. Each row says what was done to the objects first. The truth is the same objects,
linked: what was removed is in neither, a merged pair is the larger one, and a piece that is not joined is a false object.
`whole truth` counts what was removed and merged too, which no linking can bring back.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from disturbed import LONGEST, Disturbed

from livecell_monai.data.samples.movie_plan import MovieSettings
from livecell_monai.data.samples.sample_movie import write_sample_movie
from livecell_monai.metrics.track_scores import Matches, Scores, score_tracks
from livecell_monai.sample import Pixels
from livecell_monai.tracks.linking import link
from livecell_monai.tracks.movie import LabelMovie
from livecell_monai.tracks.objects import measure_objects
from livecell_monai.tracks.read_ctc import read_ctc

REMOVED = MERGED = SPLIT = 0.05  # of the objects, of the pairs of nearest objects, and of the objects
SEEDS = 0, 1
CUTOFF = 25.0  # px, of plain laptrack
Parents = dict[int, int]
#: of each object, frame and label, its track; and the parents of tracks
Linked = tuple[dict[tuple[int, int], int], Parents]


def link_ours(movie: Disturbed) -> Linked:
    """By this package, with the limits that it measures."""
    tracks = link(measure_objects(movie), movie)
    for limit in tracks.limits:
        print(f"    {limit}")
    keys = zip(tracks.frame.tolist(), tracks.label.tolist(), strict=True)
    found = dict(zip(keys, tracks.track.tolist(), strict=True))
    found |= {(frame, piece): found[frame, whole] for frame, piece, whole in tracks.joined.tolist()}
    return found, tracks.parents


def link_plainly(movie: Disturbed) -> Linked:
    """By laptrack on centroids, with one cutoff for steps, gaps and divisions."""
    import pandas as pd
    from laptrack import LapTrack

    objects = measure_objects(movie, correct_drift=False)
    table = pd.DataFrame({"frame": objects.frame, "y": objects.y, "x": objects.x, "label": objects.label})
    cutoffs = dict.fromkeys(("cutoff", "gap_closing_cutoff", "splitting_cutoff"), CUTOFF**2)
    found, splits, _ = LapTrack(**cutoffs).predict_dataframe(table, ["y", "x"], only_coordinate_cols=False)
    found = found.reset_index(drop=("frame" in found.columns))
    keys = zip(found["frame"].tolist(), found["label"].tolist(), strict=True)
    parents = {int(row.child_track_id) + 1: int(row.parent_track_id) + 1 for row in splits.itertuples()}
    return dict(zip(keys, (found["track_id"] + 1).tolist(), strict=True)), parents


def split_gaps(ids: list[list[int]], parents: Parents) -> tuple[list[dict[int, int]], Parents]:
    """Of each frame the new id of each track: one for each part between gaps, the parent of the next; and all parents."""
    highest = max(max(here, default=0) for here in ids)
    last: dict[int, tuple[int, int]] = {}  # track -> its last frame and id
    found: list[dict[int, int]] = []
    known: Parents = {}
    for frame, here in enumerate(ids):
        found.append({})
        for track in here:
            seen, current = last.get(track, (frame - 1, track))
            if seen < frame - 1:
                highest += 1
                known[highest], current = current, highest
            last[track], found[-1][track] = (frame, current), current
    known |= {child: last[parent][1] for child, parent in parents.items() if child in last and parent in last}
    return found, known


def score(movie: Disturbed, linked: Linked, parents: Parents, whole: bool) -> Scores:
    """The scores against the objects that are left, a merged one being the larger of its two; or against all true ones."""
    tracks, found_parents = linked
    labels = [{*each.values(), *pieces.values()} - {0} for each, pieces in zip(movie.became, movie.pieces, strict=True)]
    frames = [{label: tracks[frame, label] for label in here} for frame, here in enumerate(labels)]
    kept = [each if whole else {new: one for one, new in each.items() if new} for each in movie.became]
    true = [sorted(each if whole else each.values()) for each in kept]
    true_ids, known = split_gaps(true, parents)
    found_ids, found_known = split_gaps([sorted(set(each.values())) for each in frames], found_parents)
    matches = Matches()
    for each, here, ids, other in zip(movie.became, frames, true_ids, found_ids, strict=True):
        pairs = sorted((ids[one], other[here[new]]) for one, new in each.items() if new and one in ids)
        matches.true.append(sorted(ids.values()))
        matches.found.append(sorted(other.values()))
        matches.matched_true.append([pair[0] for pair in pairs])
        matches.matched_found.append([pair[1] for pair in pairs])
        matches.iou.append([1.0] * len(pairs))
    return score_tracks(matches, known, found_known)


def show(name: str, scores: Scores, seconds: float) -> None:
    """Print a row."""
    values = "  ".join(f"{one} {scores[one]:.4f}" for one in ("TRA", "DET", "LNK", "CHOTA"))
    right, all_, false = (int(scores[one] or 0) for one in ("divisions_found", "divisions", "divisions_false"))
    print(f"  {name:10} {values}  divisions {right} of {all_}, {false} false  {seconds:.1f} s of CPU", flush=True)


def rows(movie: LabelMovie) -> Iterator[tuple[str, Disturbed]]:
    """Each row of the table."""
    yield "as given", Disturbed(movie)
    for seed in SEEDS:
        yield f"5 % removed, 5 % of pairs merged, seed {seed}", Disturbed(movie, REMOVED, MERGED, seed=seed)
    for seed in SEEDS:
        yield f"5 % split for 1 to {LONGEST} frames, seed {seed}", Disturbed(movie, split=SPLIT, seed=seed)


class Repeated:
    """A movie forwards and backwards, again and again."""

    def __init__(self, movie: LabelMovie, times: int) -> None:
        turn = list(range(len(movie)))
        self._movie, self._order = movie, [index for again in range(times) for index in (turn[::-1] if again % 2 else turn)]

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Pixels:
        return self._movie[self._order[index]]


def show_time(movie: LabelMovie) -> None:
    """Print how the time grows with the number of frames."""
    for times in (1, 2, 4, 8):
        long = Disturbed(Repeated(movie, times))
        start = time.process_time()
        objects = measure_objects(long)
        measured = time.process_time() - start
        link(objects, long)
        linked = time.process_time() - start - measured
        print(
            f"  {len(long)} frames, {len(objects):,} objects: measured in {measured:.1f} s, linked in {linked:.1f} s of CPU"
        )


def show_table(folder: Path) -> None:
    """Print each row of the movie in a folder of the Cell Tracking Challenge."""
    import laptrack  # noqa: F401  # so that its import counts for neither

    truth = read_ctc(folder)[0]
    linkers: dict[str, Callable[[Disturbed], Linked]] = {"livecell": link_ours, "laptrack": link_plainly}
    with LabelMovie(folder) as movie:
        for name, disturbed in rows(movie):
            print(f"{name}:")
            for linker, run in linkers.items():
                start = time.process_time()
                linked = run(disturbed)
                seconds = time.process_time() - start
                show(linker, score(disturbed, linked, truth.parents, False), seconds)
                if "removed" in name:
                    show("whole truth", score(disturbed, linked, truth.parents, True), seconds)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", action="store_true", help="how the time grows with the number of frames")
    parser.add_argument("--sample", type=int, nargs="+", default=[], help="seeds of drawn movies, instead of tracks/hela")
    given = parser.parse_args()
    for seed in given.sample:
        with tempfile.TemporaryDirectory() as name:
            write_sample_movie(name, MovieSettings(seed=seed))
            print(f"sample movie, seed {seed}")
            show_table(Path(name) / "truth")
    if given.sample:
        return
    folder = Path(os.environ["LIVECELL_DATA"]) / "tracks" / "hela"
    if given.time:
        with LabelMovie(folder) as movie:
            show_time(movie)
        return
    show_table(folder)


if __name__ == "__main__":
    main()
