"""`torch.compile` for the training network."""

import logging
import os
import shutil
from importlib.util import find_spec

from torch import nn

from livecell_monai.network.accelerator import Accelerator
from livecell_monai.settings import check_setting


def compile_network(network: nn.Module, accelerator: Accelerator, setting: bool | str = "auto") -> bool:
    """Compile a network in place; its weights keep their names.

    Args:
        network: the network that is trained.
        accelerator: its accelerator; `compiled` is set there.
        setting: True, False or `auto`. `auto` compiles where a benchmark has shown a gain, which is nowhere so far:
            compiling takes 20 to 60 s and gained nothing on two CPU cores with AVX512-bf16; a GPU has not been measured.

    Returns:
        Whether the network is compiled. True without a compiler gives a warning and an uncompiled network.
    """
    check_setting("compile", setting)
    if setting is not True:
        return False
    if accelerator.device.type == "cuda":
        compiler, is_installed = "Triton", find_spec("triton") is not None
    else:
        command = os.environ.get("CXX", "g++")
        compiler, is_installed = f"the C++ compiler {command}", shutil.which(command) is not None
    if not is_installed:
        message = "setting compile is true, but %s is missing: training runs without torch.compile"
        logging.getLogger(__name__).warning(message, compiler)
        return False
    network.compile()
    accelerator.compiled = True
    return True
