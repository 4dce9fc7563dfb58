"""A real MLflow server on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(folder: Path, store: str) -> Iterator[str]:
    """A real server for the time of the block.

    Args:
        folder: for its log; artifacts go into its `kept`.
        store: URI of the database behind it.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "kept")]
    with open(folder / "server.log", "w") as log:
        # four more processes, for jobs that nobody gives it, would each import mlflow
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}", server, folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:  # it waits for what was cut to come to its end
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def wait_for(uri: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a server answers; one that ends or takes a minute fails with its log."""
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(log.read_text(encoding="utf-8"))
