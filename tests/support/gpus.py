"""Tests that need a CUDA GPU: `make test-gpu` runs them, and where there is none they are skipped."""

import pytest
import torch

NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]
