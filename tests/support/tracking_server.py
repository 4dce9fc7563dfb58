"""The real MLflow server of the soak, and the proxy that harms what is sent to it, for tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from soak.proxy import Fault, Proxy, draw_faults, proxied
from soak.server import serving

__all__ = ["Fault", "Proxy", "draw_faults", "proxied", "serving"]
