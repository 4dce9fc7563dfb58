"""Every range that the stream draws from; lengths in px, thickness in radians, intensities relative to the bare dish.

A pair is (low, high) of a uniform draw, or of a log-uniform one where the comment says so. A single number is a probability
unless its comment says otherwise. Ranges are wider than real microscopes, so that a real image is one more variation.

Source: Tobin et al., "Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real World",
IROS 2017.
"""

from dataclasses import dataclass

from livecell_monai.data.samples.synthetic_cell import FLAT, ROUND, SPINDLE, STAR, TRIANGLE, Kind

Range = tuple[float, float]

DIAMETER = 40.0  #: px of the typical cell, the size to which trainings scale their images

# the diameter of a kind is relative here: of a population, and 1 for its typical cell
PEBBLE = Kind(1.0, (0.8, 1.2), (0, 0), (0.0, 0.0), (0.3, 0.3), (1.0, 1.9), (0.5, 1.4))
BEAN = Kind(1.0, (0.8, 1.3), (1, 3), (0.1, 0.55), (0.45, 0.9), (1.0, 1.7), (0.5, 1.4))
ROD = Kind(1.0, (0.8, 1.2), (0, 0), (0.0, 0.0), (0.3, 0.3), (2.2, 6.0), (0.6, 1.6))
NEURON = Kind(1.0, (0.8, 1.3), (2, 6), (1.2, 3.6), (0.07, 0.2), (1.0, 1.7), (0.7, 1.7))


@dataclass(frozen=True)
class Population:
    """Cells that occur together."""

    kinds: tuple[tuple[Kind, float], ...]  #: with their relative frequencies
    sparse: float = 0.55  #: fields in which cells are few; the others are crowded
    confluent: float = 0.25  #: of the crowded fields: cells grow until they meet
    irregular: Range = (0.0, 0.09)  #: root mean square displacement of an outline by smooth noise, in diameters
    distance: Range = (0.45, 1.1)  #: least distance of two cells, relative to the sum of their radii


POPULATIONS = {
    "spread": Population(((SPINDLE, 0.34), (TRIANGLE, 0.28), (STAR, 0.2), (FLAT, 0.15), (ROUND, 0.03)), 0.65, 0.15),
    "sheet": Population(((PEBBLE, 0.8), (FLAT, 0.15), (ROUND, 0.05)), 0.25, 0.8),
    "round": Population(((ROUND, 0.8), (PEBBLE, 0.2)), irregular=(0.0, 0.04), distance=(0.75, 1.1)),
    "long": Population(((ROD, 0.8), (SPINDLE, 0.2)), irregular=(0.0, 0.06)),
    "branched": Population(((NEURON, 0.7), (STAR, 0.2), (ROUND, 0.1)), 0.7, 0.05),
    "nuclei": Population(((PEBBLE, 0.8), (BEAN, 0.2)), 0.6, 0.08, (0.0, 0.045), (0.65, 1.15)),
    "mixed": Population(
        ((SPINDLE, 0.2), (TRIANGLE, 0.15), (STAR, 0.15), (FLAT, 0.1), (ROUND, 0.15), (PEBBLE, 0.15), (ROD, 0.1))
    ),
}


@dataclass(frozen=True)
class Domain:
    """A way to make an image, how often it occurs, and how often with each population."""

    share: float
    populations: dict[str, float]


#: by name; shares add up to 1
DOMAINS = {
    "phase_contrast": Domain(
        0.28, {"spread": 0.58, "sheet": 0.1, "round": 0.08, "long": 0.06, "branched": 0.06, "mixed": 0.12}
    ),
    "sample_set": Domain(0.25, {"spread": 1.0}),  # as `livecell sample` draws it
    "dic": Domain(0.05, {"spread": 0.45, "sheet": 0.2, "round": 0.15, "long": 0.1, "branched": 0.1}),
    "bright_field": Domain(0.08, {"spread": 0.4, "sheet": 0.2, "round": 0.2, "long": 0.1, "branched": 0.1}),
    "fluorescent_nuclei": Domain(0.21, {"nuclei": 0.85, "round": 0.1, "long": 0.05}),
    "fluorescent_cytoplasm": Domain(0.06, {"spread": 0.5, "sheet": 0.2, "round": 0.1, "long": 0.1, "branched": 0.1}),
    "fluorescent_membrane": Domain(0.03, {"sheet": 0.8, "spread": 0.2}),
    "stain": Domain(0.04, {"nuclei": 0.8, "spread": 0.2}),
}


@dataclass(frozen=True)
class Crowd:
    """Where cells are, how many and how large."""

    diameter: Range = (8.0, 150.0)  #: of any cell; smaller and larger ones are cut to it
    typical: float = 36.0  #: median over fields of the diameter of a field's typical cell, log-normal
    typical_deviation: float = 0.42  #: of its logarithm: 95 % of the fields lie within a factor of 2.3
    typical_range: Range = (11.0, 95.0)  #: the diameter of a field's typical cell is cut to it
    spread: Range = (0.05, 0.4)  #: deviation of the logarithm of a cell's diameter within a field
    empty: float = 0.03
    coverage_sparse: Range = (0.02, 0.3)  #: fraction of pixels that cells would cover
    coverage_crowded: Range = (0.3, 1.0)
    growth: Range = (1.15, 1.6)  #: factor on the radii of confluent cells
    most: int = 700  #: cells (a number), so that a field of tiny ones stays cheap
    clustered: float = 0.5  #: fields in which cells settle in clusters
    cluster_cells: Range = (3.0, 25.0)  #: mean number of cells of a cluster
    cluster_width: Range = (0.8, 3.0)  #: deviation of the places in a cluster, in diameters
    stacked: float = 0.4  #: fields in which cells cover each other; in the others, they meet half-way
    frayed: Range = (0.0, 0.35)  #: displacement by fine noise, relative to that by smooth noise
    bend: float = 0.25  #: deviation of the curvature of a long cell, relative to 1 / its length
    dividing: Range = (0.0, 0.08)  #: of the cells: two daughters side by side
    rounded: Range = (0.0, 0.2)  #: of the cells: rounded up before they divide or die
    nucleus: Range = (0.3, 0.62)  #: radius of a nucleus relative to its cell
    least_visible: float = 0.35  #: of the area of a cell (a fraction): less is covered up and gets no label


@dataclass(frozen=True)
class Body:
    """The optical thickness of cells."""

    height: Range = (0.25, 1.1)  #: rad, of a field, log-uniform; times that of the kind
    height_deviation: Range = (0.05, 0.35)  #: of its logarithm, between cells
    round_height: Range = (1.6, 5.0)  #: rad, of rounded cells
    edge: Range = (0.03, 0.14)  #: width of the rise at the rim, in diameters
    dome: Range = (0.1, 0.6)  #: fraction of the height that grows from the rim to the middle
    lamella: Range = (0.3, 1.0)  #: height of the thin parts of spread cells, relative to their middle
    middle: Range = (1.2, 3.0)  #: radius of the thick middle, in radii of the nucleus
    grain: Range = (0.0, 0.22)  #: deviation of fine texture, relative to the height
    mottle: Range = (0.0, 0.3)  #: deviation of coarse texture
    nucleus: Range = (-0.35, 0.35)  #: thickness of a nucleus, relative to the height
    nucleus_rim: Range = (0.0, 0.25)
    nucleoli: Range = (0.0, 3.0)  #: mean number in a nucleus
    granules: Range = (0.0, 1.0)  #: per (diameter / 5)^2 of area
    granule_height: Range = (0.1, 0.9)  #: rad
    bright_granules: Range = (0.0, 0.4)  #: fraction of granules that are optically thinner than their surroundings


@dataclass(frozen=True)
class Dirt:
    """What is not a cell; numbers are per 512 x 512 px."""

    specks: Range = (0.5, 120.0)  #: log-uniform
    speck_size: Range = (0.5, 2.4)  #: sigma, log-uniform
    speck_height: Range = (0.2, 2.0)  #: rad, log-uniform
    smudges: Range = (0.0, 40.0)  #: flat grainy remains on the dish
    smudge_diameter: Range = (0.1, 0.6)  #: in cell diameters
    smudge_height: Range = (0.05, 0.45)  #: rad
    ghosts: float = 0.3  #: fields with one to five remains of dead cells
    ghost_diameter: Range = (0.4, 1.3)  #: in cell diameters
    ghost_height: Range = (0.2, 0.9)  #: rad
    fibres: float = 0.12  #: fields with fibres
    scratches: float = 0.08
    rings: Range = (0.0, 7.0)  #: rings of dust out of focus
    wall: float = 0.15  #: fields with the wall of a dish or channel
    bubbles: float = 0.1  #: fields with air bubbles


@dataclass(frozen=True)
class Obstacle:
    """Walls and bubbles in transmitted light."""

    curvature: Range = (1.0, 30.0)  #: radius of the face of a wall, in fields, log-uniform
    strip: float = 0.4  #: walls with cells at both sides
    strip_half: Range = (8.0, 130.0)  #: half of the width of such a wall, log-uniform
    fray: Range = (0.0, 7.0)  #: deviation of the face
    fray_grain: Range = (3.0, 60.0)  #: log-uniform
    bubble_radius: Range = (6.0, 140.0)  #: log-uniform
    band: Range = (3.0, 70.0)  #: width of a band of one brightness, log-uniform
    level: Range = (0.02, 8.0)  #: brightness of a band, log-uniform, before the contrast
    contrast: Range = (0.15, 1.0)  #: exponent of all brightness
    texture_grain: Range = (0.6, 9.0)  #: log-uniform
    lumps: float = 0.4  #: obstacles with dark or bright pieces
    transparency: Range = (0.0, 0.3)  #: how much of the light of the field shines through
    fringe: Range = (2.0, 14.0)  #: width of the fringes around the face, log-uniform
    glare: Range = (-0.5, 1.2)  #: strength of these fringes
    saturated: float = 0.75  #: fields whose exposure fits the cells, not the obstacle
    headroom: Range = (0.0, 1.5)  #: what such an exposure leaves beyond the cells, in their contrast


@dataclass(frozen=True)
class Optics:
    """What a microscope makes of a thickness."""

    blur: Range = (0.4, 1.3)  #: sigma of the point spread function
    phase_plate: Range = (0.4, 0.9)  #: amplitude that the phase plate passes
    halo: Range = (2.2, 6.5)  #: sigma of the light that the ring takes for direct light, for cells of 40 px, log-uniform
    shade_off: Range = (9.0, 26.0)  #: the same, the wide part
    shade_share: Range = (0.05, 0.35)  #: share of the wide part
    negative: float = 0.08  #: fields in negative phase contrast
    phase_defocus: Range = (-3.0, 3.0)  #: wavelength times distance, in px^2
    shear: Range = (0.7, 2.2)  #: of DIC
    bias: Range = (0.5, 2.4)  #: rad, of DIC; times -1 in half of the fields
    defocus: Range = (3.0, 60.0)  #: of bright field, in px^2 for cells of 40 px, log-uniform; times -1 in half of the fields
    absorption: Range = (0.0, 0.35)  #: optical density of a cell in bright field
    stain: Range = (0.3, 1.6)  #: optical density of stained nuclei
    counterstain: Range = (0.0, 0.4)  #: optical density around stained nuclei


@dataclass(frozen=True)
class Fluorescence:
    """What glows; intensities relative to a typical cell."""

    brightness: Range = (0.05, 0.75)  #: deviation of the logarithm, between cells
    dim: Range = (0.0, 0.35)  #: fraction of cells that are dim
    dim_factor: Range = (0.12, 0.5)
    dome: Range = (0.0, 0.22)  #: exponent of the profile, 0 for a flat one
    edge: Range = (0.0, 0.02)  #: width of the rise at the rim, in diameters, beside 1 px
    texture: Range = (0.0, 0.35)  #: deviation of chromatin or of cytoplasm
    foci: Range = (0.0, 7.0)  #: mean number of bright spots in a cell
    focus_strength: Range = (0.2, 1.5)
    nucleoli: Range = (0.0, 3.0)
    blur: Range = (0.5, 2.2)  #: sigma
    unfocused: Range = (0.0, 0.4)  #: fraction of cells out of focus
    unfocused_blur: Range = (0.06, 0.16)  #: sigma, in diameters
    haze: Range = (0.0, 0.25)  #: share of light from other planes
    haze_width: Range = (8.0, 30.0)
    background: Range = (0.01, 0.6)  #: log-uniform
    bleed: Range = (0.0, 0.25)  #: of another channel: cytoplasm around nuclei, or nuclei in cells
    membrane: Range = (0.8, 2.5)  #: width of a membrane
    inside: Range = (0.05, 0.6)  #: cytoplasm relative to membranes
    nucleus: Range = (-0.9, 0.9)  #: how much brighter than cytoplasm a nucleus is
    spill: float = 0.1  #: fields with bright aggregates


@dataclass(frozen=True)
class Camera:
    """From light to grey values."""

    tilt: float = 0.06  #: deviation of the slope of the light over half a field (a number)
    vignette: Range = (-0.05, 0.25)  #: loss of light in the corners
    mottle: Range = (0.0, 0.035)  #: of the light
    uneven: float = 0.1  #: fields with light five times as uneven
    noise: Range = (0.002, 0.09)  #: deviation at the typical grey value, relative to the contrast of the image, log-uniform
    shot: Range = (0.0, 1.0)  #: share of the noise that grows with the light
    grain: Range = (0.0, 0.9)  #: sigma of the noise, after demosaicing or resizing
    stripes: float = 0.06  #: fields with noise by rows or columns
    hot: float = 0.15  #: fields with hot or dead pixels
    hot_pixels: Range = (1e-5, 6e-4)  #: fraction, log-uniform
    exposure: Range = (0.25, 1.15)  #: where the 99.9th percentile lies in the range of the camera; above 1 saturates
    bits: tuple[int, ...] = (8, 8, 12, 16)
    jpeg: float = 0.15  #: of 8-bit images
    jpeg_quality: Range = (35.0, 95.0)
    inverted: float = 0.25
    resized: float = 0.3  #: images that were enlarged or reduced after the camera
    resize: Range = (0.5, 1.0)  #: the camera's pixels per px of the image


CROWD, BODY, DIRT, OBSTACLE = Crowd(), Body(), Dirt(), Obstacle()
OPTICS, FLUORESCENCE, CAMERA = Optics(), Fluorescence(), Camera()
