"""One heap for all threads, if it is set before they start."""

import ctypes
import os
import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, threading
from livecell_monai.heap import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
barrier = threading.Barrier(3)
def work():
    held = bytes(10_000)
    barrier.wait()
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
barrier.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
stream = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(stream))
libc.fflush(ctypes.c_void_p(stream))
barrier.wait()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc alone tells of its heaps")
@pytest.mark.parametrize(("kept", "heaps"), [("kept", 1), ("as it is", 3)])
def test_two_threads_allocate_in_the_heap_of_the_first(kept, heaps):
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", COUNT, kept], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.count("<heap nr") == heaps
