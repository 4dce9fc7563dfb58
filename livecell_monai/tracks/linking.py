"""From the objects of a movie to tracks: linked frame by frame, then gaps closed and divisions found in one assignment."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from livecell_monai.tracks.assignment import assign_frames, assign_segments, check_laptrack
from livecell_monai.tracks.costs import LinkCosts, Links, rate_links
from livecell_monai.tracks.divisions import Divisions, find_divisions
from livecell_monai.tracks.limits import (
    Limits,
    choose_cut,
    count_returns,
    measure_angle,
    measure_division_distance,
    measure_gap,
    measure_ratio,
    measure_step,
    usual_step,
)
from livecell_monai.tracks.merges import find_merges
from livecell_monai.tracks.objects import Labels, Objects
from livecell_monai.tracks.pieces import find_pieces, join_objects
from livecell_monai.tracks.tracks import Floats, Ints, Tracks

_WEAK = 0.5  # cost of a link between frames, above which a gap may be the better one
Candidates = tuple[Ints, Ints, Floats]


LEAST_LIFE = 3  #: frames that a daughter must live for, unless the movie ends: what was split by mistake is one again sooner


@dataclass(frozen=True)
class _Chains:
    """Links between objects: of each object the next and the previous one of its track, -1 for none."""

    following: Ints
    previous: Ints
    confidence: Floats  #: of the link to the previous one
    cost: Floats  #: of the link to the previous one, 0 without one

    def add(self, links: Links, chosen: NDArray[np.bool_], confidence: Floats) -> None:
        """Make some of the links."""
        first, second = links.first[chosen], links.second[chosen]
        self.following[first], self.previous[second] = second, first
        self.confidence[second], self.cost[second] = confidence, links.cost[chosen]

    def cut(self, above: float) -> None:
        """Undo the links that cost more."""
        weak = np.flatnonzero(self.cost > above)
        self.following[self.previous[weak]] = -1
        self.previous[weak], self.confidence[weak], self.cost[weak] = -1, np.nan, 0.0


def link(objects: Objects, movie: Labels, limits: Mapping[str, float] | None = None) -> Tracks:
    """Link the objects of a movie into tracks; time and memory grow linearly with the frames.

    Args:
        objects: of the movie, see `measure_objects`.
        movie: where they come from, for its name, shape, interval and pixel size.
        limits: values that override those measured from the movie, by the names of `limits.BOUNDS`.

    Raises a SettingError for an unknown limit, a value out of bounds, and without laptrack.
    """
    check_laptrack()
    known = Limits(limits)
    costs = LinkCosts(objects, known.measure("greatest_step", lambda: measure_step(objects)))
    chains = _link_frames(costs, _list_frames(objects), len(objects))
    longest = int(known.measure("greatest_cut", choose_cut))
    whole = find_pieces(objects, costs, chains.following, longest)
    if (whole != np.arange(len(whole))).any():
        objects = join_objects(objects, whole)
        costs = LinkCosts(objects, costs.greatest_step)
        chains = _link_frames(costs, _list_frames(objects), len(objects))
    _part_merged(objects, costs, chains, longest)
    mothers = _link_tracks(objects, costs, chains, movie.shape, known)
    return _make_tracks(objects, movie, chains, mothers, known)


def _list_frames(objects: Objects) -> list[Ints]:
    """The indices of the objects of each frame that is not missing."""
    borders = np.searchsorted(objects.frame, [*objects.given(), objects.frames])
    return [np.arange(start, stop) for start, stop in pairwise(borders)]


def _link_frames(costs: LinkCosts, frames: list[Ints], count: int) -> _Chains:
    chains = _Chains(np.full(count, -1), np.full(count, -1), np.full(count, np.nan), np.zeros(count))
    for before, after in pairwise(frames):
        links = costs.links(before, after)
        if not len(links.cost):
            continue
        shape = (len(before), len(after))
        chosen = assign_frames(links.first - before[0], links.second - after[0], links.cost, shape)
        chains.add(links, chosen, rate_links(links, chosen))
    return chains


def _part_merged(objects: Objects, costs: LinkCosts, chains: _Chains, longest: int) -> None:
    """Link two cells that are one object for some frames to themselves afterwards; one of them has a gap there."""
    for merge in find_merges(objects, costs, chains.following, chains.previous, longest):
        (first, last), (before, after) = merge.merged, merge.through
        ends, starts = np.array([before, last, merge.aside[0]]), np.array([first, after, merge.aside[1]])
        is_new = chains.previous[starts] != ends
        chains.following[ends], chains.previous[starts] = starts, ends
        chains.cost[starts] = 0.0
        chains.confidence[starts[is_new]] = costs.iou(ends, starts)[is_new]


def _link_tracks(
    objects: Objects, costs: LinkCosts, chains: _Chains, shape: tuple[int, int], known: Limits
) -> dict[int, int]:
    """Close gaps of `chains`; returns the mother of each object that starts a track by a division."""
    frames = _list_frames(objects)
    position = np.searchsorted(objects.given(), objects.frame)
    ends, starts = np.flatnonzero(chains.following < 0), np.flatnonzero(chains.previous < 0)
    reach, early = min(costs.greatest_step, usual_step(objects)), int((position[ends] < position.max(initial=0)).sum())
    gap = known.measure(
        "greatest_gap", lambda: measure_gap(count_returns(objects, ends, starts, position, reach, shape), early)
    )
    if gap > 0:
        _close_gaps(costs, chains, position, int(gap))
    distance = known.measure("division_distance", lambda: measure_division_distance(objects))
    lives = _lives(chains, position)
    may_be_daughter = (chains.previous < 0) & ~objects.touches_border & lives
    inner = [
        (before, after[may_be_daughter[after]], later)
        for later in range(1, int(gap) + 2)
        for before, after in zip(frames, frames[later:], strict=False)
    ]
    possible = find_divisions(objects, costs, (chains.following, chains.previous), inner, distance)
    possible = possible.take(lives[possible.first])
    angle = known.measure("division_angle", lambda: measure_angle(possible))
    ratio = known.measure("division_ratio", lambda: measure_ratio(possible))
    possible = possible.take((possible.angle >= angle) & (possible.ratio <= ratio))
    divided = assign_segments(*_number(chains, None, possible))[1]
    return dict(zip(possible.second[divided].tolist(), possible.mother[divided].tolist(), strict=True))


def _lives(chains: _Chains, position: Ints) -> NDArray[np.bool_]:
    """Whether the links after each object (N,) last for `LEAST_LIFE` frames, or to the end of the movie."""
    last = np.arange(len(position))
    for _ in range(LEAST_LIFE - 1):
        last = np.where(chains.following[last] >= 0, chains.following[last], last)
    end = int(position.max(initial=0))
    lives: NDArray[np.bool_] = (position[last] - position >= LEAST_LIFE - 1) | (position[last] == end)
    return lives


def _close_gaps(costs: LinkCosts, chains: _Chains, position: Ints, greatest: int) -> None:
    """Link across up to `greatest` frames without the cell.

    Where cells are missing, a neighbour may have been linked in place of one: weak links are undone and compete with gaps.
    """
    chains.cut(above=_WEAK)
    ends, starts = (_by_position(np.flatnonzero(side < 0), position) for side in (chains.following, chains.previous))
    near = [(later, ends[at], starts[at + later]) for at in ends for later in range(1, greatest + 2) if at + later in starts]
    found = [costs.links(end, start, later) for later, end, start in near]
    if not found:
        return
    links = Links(*(np.concatenate([getattr(each, name) for each in found]) for name in ("first", "second", "cost")))
    closed = assign_segments(*_number(chains, links, None))[0]
    chains.add(links, closed, 1 - links.cost[closed])


def _by_position(members: Ints, position: Ints) -> dict[int, Ints]:
    """Objects by the place of their frame, in order."""
    if not len(members):
        return {}
    places, borders = np.unique(position[members], return_index=True)
    return dict(zip(places.tolist(), np.split(members, borders[1:]), strict=True))


def _number(chains: _Chains, links: Links | None, divisions: Divisions | None) -> tuple[Candidates, Candidates, int]:
    """The arguments of `assign_segments`."""
    track = _number_tracks(chains)
    none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    gaps = none if links is None else (track[links.first], track[links.second], links.cost)
    splits = none if divisions is None else (track[divisions.second], divisions.mother, divisions.cost)
    return gaps, splits, int(track.max(initial=-1)) + 1


def _number_tracks(chains: _Chains) -> Ints:
    """The track (N,) of each object, from 0, in order of their first objects."""
    track = np.full(len(chains.previous), -1)
    starts = np.flatnonzero(chains.previous < 0)
    track[starts] = np.arange(len(starts))
    for index in np.flatnonzero(chains.previous >= 0):  # a previous object comes first in order of frames
        track[index] = track[chains.previous[index]]
    return track


def _make_tracks(objects: Objects, movie: Labels, chains: _Chains, mothers: dict[int, int], known: Limits) -> Tracks:
    for mother in list(mothers.values()):  # the first daughter starts a track too
        first = chains.following[mother]
        chains.following[mother] = chains.previous[first] = -1
        chains.confidence[first] = np.nan
        mothers[int(first)] = mother
    track = _number_tracks(chains) + 1
    order = np.lexsort((objects.frame, track))
    parents = {int(track[daughter]): int(track[mother]) for daughter, mother in sorted(mothers.items())}
    return Tracks(
        track=track[order],
        **{
            name: getattr(objects, name)[order]
            for name in ("frame", "label", "y", "x", "area", "intensity", "touches_border")
        },
        confidence=chains.confidence[order],
        parents=parents,
        name=movie.name,
        frames=objects.frames,
        shape=movie.shape,
        interval_min=movie.interval_min,
        pixel_size_um=movie.pixel_size_um,
        drift=objects.drift,
        limits=tuple(known.list),
        missing=objects.missing,
        joined=objects.joined,
        channels={name: values[order] for name, values in objects.channels.items()},
    )
