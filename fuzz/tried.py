"""What was tried, how often, and what was lost by it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tried:
    """A row of the table in docs/reliability.md.

    Attributes:
        what: was done, in a few words that stand alone.
        times: how often.
        lost: one line for each loss, told so that it can be repeated; empty where nothing was lost.
    """

    what: str
    times: int
    lost: tuple[str, ...] = ()

    def cells(self) -> list[str]:
        """The row's cells: what, how often, what was lost."""
        lost = "nothing" if not self.lost else f"{len(self.lost)}: {'; '.join(self.lost[:3])}"
        return [self.what, f"{self.times:,}", lost.replace("|", "\\|")]
