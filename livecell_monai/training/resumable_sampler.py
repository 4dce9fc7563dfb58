"""A random sampler whose position within an epoch can be saved."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils.data import RandomSampler


class ResumableSampler(RandomSampler):
    """Torch's `RandomSampler` with the same draws, and a position within the epoch that can be saved and restored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.order: list[int] = []
        self.used = 0
        self.rest: list[int] = []

    def __iter__(self) -> Iterator[int]:
        self.order, self.rest = self.rest or list(super().__iter__()), []
        for used, index in enumerate(self.order, start=1):
            self.used = used
            yield index

    def state_dict(self) -> dict[str, Any]:
        """What is still to come of the epoch; nothing at its end."""
        return {"rest": self.order[self.used :]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have the next epoch be the rest of the one that was stopped."""
        self.rest = list(state["rest"])
