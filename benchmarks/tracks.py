"""How well and how fast cells are linked where the segmentation is given, beside plain laptrack on centroids.

Run: `LIVECELL_DATA=FOLDER python benchmarks/tracks.py [--time]`. The movie is `tracks/hela` of the folder, 92 frames in the
form of the Cell Tracking Challenge; its ids are the truth, the linkers see only the objects. Each row says what was done to
the objects first. The truth is the same objects, linked: what was removed is in neither, a merged pair is the larger of the
two. `whole truth` counts what was removed and merged too, which no linking can bring back.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from livecell_monai.metrics.track_scores import Scores, match_movies, score_tracks
from livecell_monai.sample import Pixels
from livecell_monai.tracks.linking import link
from livecell_monai.tracks.movie import LabelMovie
from livecell_monai.tracks.objects import measure_frame, measure_objects
from livecell_monai.tracks.read_ctc import read_ctc
from livecell_monai.tracks.tracks import Frames

REMOVED = MERGED = 0.05  # of the objects, and of the pairs of nearest objects
CUTOFF = 25.0  # px, of plain laptrack
Parents = dict[int, int]
#: of each object, frame and label, its track; and the parents of tracks
Linked = tuple[dict[tuple[int, int], int], Parents]


class Disturbed:
    """A movie of labels with objects removed and pairs merged at random, and ids that say nothing; and its truth."""

    def __init__(self, movie: LabelMovie, removed: float, merged: float, seed: int) -> None:
        self.name, self.shape = movie.name, movie.shape
        self.missing: tuple[int, ...] = ()
        self.interval_min, self.pixel_size_um = movie.interval_min, movie.pixel_size_um
        rng = np.random.default_rng(seed)
        self.truth = [_disturb(movie[index], removed, merged, rng) for index in range(len(movie))]
        self._ids = [rng.permutation(int(frame.max(initial=0)) + 1) for frame in self.truth]

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, index: int) -> Pixels:
        ids = self._ids[index] + 1
        return np.where(self.truth[index] > 0, ids[self.truth[index]], 0)


def _disturb(frame: Pixels, removed: float, merged: float, rng: np.random.Generator) -> NDArray[np.int32]:
    ids, (y, x, area, _, _) = measure_frame(frame)
    table = np.arange(int(ids.max(initial=0)) + 1, dtype=np.int32)
    nearest = KDTree(np.stack([y, x], axis=1)).query(np.stack([y, x], axis=1), k=2)[1][:, 1]
    for one in np.flatnonzero(rng.random(len(ids)) < merged / 2):  # a pair is that of either of its objects
        other = nearest[one]
        small, large = (one, other) if area[one] < area[other] else (other, one)
        table[ids[small]] = table[ids[large]]
    table[ids[rng.random(len(ids)) < removed]] = 0
    return table[frame]


def link_ours(movie: Disturbed) -> Linked:
    """By this package, with the limits that it measures."""
    tracks = link(measure_objects(movie), movie)
    for limit in tracks.limits:
        print(f"    {limit}")
    keys = zip(tracks.frame.tolist(), tracks.label.tolist(), strict=True)
    return dict(zip(keys, tracks.track.tolist(), strict=True)), tracks.parents


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


class Relabelled:
    """The movie with the ids of tracks; a track with a gap is one id for each part, each the parent of the next."""

    def __init__(self, movie: Frames, linked: Linked) -> None:
        self._movie, (self._tracks, parents) = movie, linked
        self.parents: Parents = {}
        last: dict[int, tuple[int, int]] = {}  # track -> its last frame and id
        highest = max(self._tracks.values(), default=0)
        self._ids: dict[tuple[int, int], int] = {}
        for (frame, label), track in sorted(self._tracks.items()):
            seen, current = last.get(track, (frame - 1, track))
            if seen < frame - 1:
                highest += 1
                self.parents[highest], current = current, highest
            last[track] = frame, current
            self._ids[frame, label] = current
        self.parents |= {child: last[parent][1] for child, parent in parents.items()}

    def __len__(self) -> int:
        return len(self._movie)

    def __getitem__(self, index: int) -> Pixels:
        frame = self._movie[index]
        table = np.zeros(int(frame.max(initial=0)) + 1, np.int64)
        for label in np.unique(frame[frame > 0]).tolist():
            table[label] = self._ids[index, label]
        return table[frame]


class Stored:
    """Frames in memory."""

    def __init__(self, frames: list[NDArray[np.int32]]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Pixels:
        return self._frames[index]


def score(movie: Disturbed, linked: Linked, parents: Parents, whole: Frames | None = None) -> Scores:
    """The scores against the objects that are left, or against a whole truth."""
    frames = Stored(movie.truth) if whole is None else whole
    own = {(index, label): label for index in range(len(frames)) for label in measure_frame(frames[index])[0].tolist()}
    present = set(own.values())
    known = {child: parent for child, parent in parents.items() if child in present and parent in present}
    truth, result = Relabelled(frames, (own, known)), Relabelled(movie, linked)
    return score_tracks(match_movies(truth, result, movie.name), truth.parents, result.parents)


def show(name: str, scores: Scores, seconds: float) -> None:
    """Print a row."""
    values = "  ".join(f"{one} {scores[one]:.4f}" for one in ("TRA", "DET", "LNK", "CHOTA"))
    right, all_, false = (int(scores[one] or 0) for one in ("divisions_found", "divisions", "divisions_false"))
    print(f"  {name:10} {values}  divisions {right} of {all_}, {false} false  {seconds:.1f} s of CPU", flush=True)


def rows(movie: LabelMovie) -> Iterator[tuple[str, Disturbed]]:
    """Each row of the table."""
    yield "as given", Disturbed(movie, 0, 0, 0)
    for seed in (0, 1):
        yield f"5 % removed, 5 % of pairs merged, seed {seed}", Disturbed(movie, REMOVED, MERGED, seed)


def show_time(movie: LabelMovie) -> None:
    """Print how the time grows with the number of frames: the movie forwards and backwards, again and again."""
    whole = Disturbed(movie, 0, 0, 0)
    for times in (1, 2, 4, 8):
        turns = [whole.truth[:: 1 if turn % 2 == 0 else -1] for turn in range(times)]
        long = Disturbed(movie, 0, 0, 0)
        long.truth = [frame for turn in turns for frame in turn]
        long._ids = whole._ids * times
        long._ids = [np.arange(int(frame.max(initial=0)) + 1) for frame in long.truth]
        start = time.process_time()
        objects = measure_objects(long)
        measured = time.process_time() - start
        link(objects, long)
        linked = time.process_time() - start - measured
        print(
            f"  {len(long)} frames, {len(objects):,} objects: measured in {measured:.1f} s, linked in {linked:.1f} s of CPU"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", action="store_true", help="how the time grows with the number of frames")
    given = parser.parse_args()
    folder = Path(os.environ["LIVECELL_DATA"]) / "tracks" / "hela"
    with LabelMovie(folder) as movie:
        import laptrack  # noqa: F401  # so that its import counts for neither

        if given.time:
            show_time(movie)
            return
        truth = read_ctc(folder)[0]
        linkers: dict[str, Callable[[Disturbed], Linked]] = {"livecell": link_ours, "laptrack": link_plainly}
        for name, disturbed in rows(movie):
            print(f"{name}:")
            for linker, run in linkers.items():
                start = time.process_time()
                linked = run(disturbed)
                seconds = time.process_time() - start
                show(linker, score(disturbed, linked, truth.parents), seconds)
                if name != "as given":
                    show("whole truth", score(disturbed, linked, truth.parents, movie), seconds)


if __name__ == "__main__":
    main()
