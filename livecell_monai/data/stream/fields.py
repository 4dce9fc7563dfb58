"""One field of the stream: layout, light, camera."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecell_monai.data.samples.synthetic import draw_field
from livecell_monai.data.stream.camera import Grey, draw_light, expose, resample
from livecell_monai.data.stream.fluorescence import show_cytoplasm, show_membrane, show_nuclei, show_stain
from livecell_monai.data.stream.layout import Layout, draw_layout
from livecell_monai.data.stream.noise import Plane
from livecell_monai.data.stream.obstacles import add_obstacles
from livecell_monai.data.stream.optics import show_bright_field, show_dic, show_phase_contrast
from livecell_monai.data.stream.ranges import DIAMETER, DOMAINS
from livecell_monai.data.stream.thickness import draw_thickness

SIDE = 512  #: px of a field while it is drawn
RIM = 16  #: px cut off on each side: the optics are periodic
FIELD_SIDE = SIDE - 2 * RIM

Show = Callable[[Layout, np.random.Generator], Plane]


@dataclass(frozen=True)
class StreamField:
    """One drawn field of view."""

    image: Grey  #: (Y, X) uint8 or uint16
    label: NDArray[np.uint16]  #: (Y, X) instance ids, 0 background; from 1 without gaps
    domain: str  #: one of `DOMAINS`
    diameter: float  #: px of the typical cell


def draw_stream_field(seed: int, index: int, domains: Mapping[str, float] | None = None) -> StreamField:
    """Field number `index` of the stream of a seed; the same two numbers always give the same pixels.

    `domains` are the relative frequencies of `DOMAINS` by name, None for those stated there.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    shares = {name: domain.share for name, domain in DOMAINS.items()} if domains is None else dict(domains)
    weights = np.array(list(shares.values()))
    name = str(rng.choice(list(shares), p=weights / weights.sum()))
    populations = DOMAINS[name].populations
    population = str(rng.choice(list(populations), p=np.array(list(populations.values()))))
    if name == "sample_set":
        field = draw_field((FIELD_SIDE, FIELD_SIDE), rng=rng)
        return StreamField(field.image, field.label, name, DIAMETER)
    layout = draw_layout((SIDE, SIDE), population, rng)
    light = resample(_show(name, layout, rng), rng)
    inner = np.s_[RIM:-RIM, RIM:-RIM]
    label = np.ascontiguousarray(layout.label[inner])
    light = light[inner] * draw_light((FIELD_SIDE, FIELD_SIDE), rng)
    if name in TRANSMITTED:
        light = add_obstacles(light, label, rng)
    return StreamField(expose(light, rng), _renumber(label), name, layout.diameter)


def iterate_fields(
    seed: int, first: int = 0, step: int = 1, domains: Mapping[str, float] | None = None
) -> Iterator[StreamField]:
    """Fields number first, first + step ... of the stream without end."""
    index = first
    while True:
        yield draw_stream_field(seed, index, domains)
        index += step


#: domains with transmitted light, and how each shows a thickness
TRANSMITTED: dict[str, Callable[[Plane, Layout, np.random.Generator], Plane]] = {
    "phase_contrast": show_phase_contrast,
    "dic": show_dic,
    "bright_field": show_bright_field,
}
GLOWING: dict[str, Show] = {
    "fluorescent_nuclei": show_nuclei,
    "fluorescent_cytoplasm": show_cytoplasm,
    "fluorescent_membrane": show_membrane,
    "stain": show_stain,
}


def _show(name: str, layout: Layout, rng: np.random.Generator) -> Plane:
    """The light (Y, X) of a layout."""
    if name in GLOWING:
        return GLOWING[name](layout, rng)
    return TRANSMITTED[name](draw_thickness(layout, rng), layout, rng)


def _renumber(label: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Ids without gaps."""
    seen = np.bincount(label.ravel()) > 0
    seen[0] = False
    return (np.cumsum(seen) * seen)[label].astype(np.uint16)
