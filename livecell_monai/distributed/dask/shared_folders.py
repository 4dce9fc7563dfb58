"""Whether workers on other machines have the package and see the same folders: asked before any of them is given work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from livecell_monai.distributed.dask.cluster import Workers
from livecell_monai.distributed.dask.worker import Job
from livecell_monai.errors import SettingError
from livecell_monai.outputs.unfinished import FOLDER
from livecell_monai.runs.ledger import RECORD


def require_seeing(workers: Workers, job: Job) -> None:
    """Ask every worker that is there; one that comes later finds out by its first task.

    Args:
        workers: who is asked.
        job: what must be seen.

    Raises:
        SettingError: the first one that lacks something.
    """
    paths = [str(Path(job.bundle) / "configs"), str(Path(job.output) / FOLDER / RECORD)]
    answers: dict[str, Any] = workers.client.run(_build_look(paths, job.output), on_error="return")
    for address, lacking in sorted(answers.items()):
        if isinstance(lacking, Exception):
            lacking = f"{type(lacking).__name__}: {lacking}"
        if lacking:
            raise SettingError(
                f"{address}: a worker must have livecell-monai and see the same folders, it lacks {lacking}; "
                "install it there, and share the folders under the same paths"
            )


def _build_look(paths: list[str], writable: str) -> Callable[[], str]:
    """What a worker runs: made here and not at the top, so that it is sent whole, to where the package may not be."""

    def look() -> str:
        import importlib.util
        import os

        if importlib.util.find_spec("livecell_monai") is None:
            return "livecell-monai"
        for path in paths:
            if not os.path.exists(path):
                return path
        return "" if os.access(writable, os.W_OK | os.X_OK) else f"the right to write to {writable}"

    return look
