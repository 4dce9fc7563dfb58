"""The life of one cell of a sample movie: how round and how large it is at each time."""

from dataclasses import dataclass, field

from livecell_monai.data.samples.synthetic_cell import Kind

ROUNDING_H, ROUND_H = 1.2, 0.6  #: hours that a cell takes to round up, and stays round, before it divides
SPREADING_H = 1.8  #: hours after which a daughter has spread
DYING_H = 4.5  #: hours from the first sign of death until the cell is gone
REMAINS_H = 12.0  #: hours until its remains on the dish have faded

_EARLY_H = 0.15  # age of daughters in their first frame
_YOUNG, _OLD = 0.85, 1.15  # diameter at birth and before division, relative to that half-way
_DAUGHTER = 0.8  # diameter of a round daughter relative to its round mother
_SHRUNK = 0.5  # diameter of a dying cell in the end, relative to a round one


@dataclass
class Life:
    """One cell from its first to its last frame."""

    number: int  #: from 1
    kind: Kind
    diameter: float  #: px of the disc of its area, spread and half-way through its cycle
    round_diameter: float  #: px, rounded up to divide
    cycle_h: float  #: hours from birth to division
    speed: float  #: px / h
    aspect: float  #: length of the body over its width
    born: int  #: its first frame
    head_start_h: float = _EARLY_H  #: hours that it lived before that frame
    parent: int = 0  #: number of the mother, 0 for cells of the first frame
    gone: int | None = None  #: the first frame without it; None if it outlives the movie
    dies: bool = False  #: rather than divides, at `gone`
    axis: float = 0.0  #: radians, direction in which its daughters part
    places: list[tuple[float, float, float]] = field(default_factory=list)  #: y and x in px, angle of its long axis

    def age_h(self, frame: int, interval_h: float) -> float:
        """Hours since its birth."""
        return (frame - self.born) * interval_h + self.head_start_h

    def roundness(self, frame: int, interval_h: float) -> float:
        """0 for a spread cell, 1 for one that is round."""
        young = 1 - smooth_step(self.age_h(frame, interval_h) / SPREADING_H) if self.parent else 0.0
        if self.gone is None:
            return young
        left_h = (self.gone - frame) * interval_h
        if self.dies:
            return max(young, smooth_step((DYING_H - left_h) / ROUNDING_H))
        return max(young, 1 - smooth_step((left_h - ROUND_H) / ROUNDING_H))

    def decay(self, frame: int, interval_h: float) -> float:
        """0 for a living cell, 1 for one that is gone."""
        if self.gone is None or not self.dies:
            return 0.0
        left_h = (self.gone - frame) * interval_h
        return smooth_step((DYING_H - ROUNDING_H - left_h) / (DYING_H - ROUNDING_H))

    def diameter_px(self, frame: int, interval_h: float) -> float:
        """Px of the disc of its area: it grows from birth to division, shrinks as it rounds up, more so as it dies."""
        age_h = self.age_h(frame, interval_h)
        progress = min(age_h / self.cycle_h, 1.0)
        spread = self.diameter * (_YOUNG + (_OLD - _YOUNG) * progress)
        is_young = self.parent > 0 and age_h < self.cycle_h / 2
        compact = self.round_diameter * (_DAUGHTER if is_young else 1.0)
        roundness = self.roundness(frame, interval_h)
        return ((1 - roundness) * spread + roundness * compact) * (1 - (1 - _SHRUNK) * self.decay(frame, interval_h))

    def capsule_px(self, frame: int, interval_h: float) -> tuple[float, float]:
        """What it covers: px from its middle to the centres of the discs at its ends, and their radius."""
        radius, spread = self.diameter_px(frame, interval_h) / 2, 1 - self.roundness(frame, interval_h)
        return 0.9 * spread * radius * self.aspect**0.5, radius * (1 - 0.3 * spread)


def smooth_step(value: float) -> float:
    """0 below 0, 1 above 1, smooth between."""
    value = min(max(value, 0.0), 1.0)
    return value * value * (3 - 2 * value)
