"""One heap for all threads, if it is set before they start; and a garbage collector that seldom runs."""

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


COLLECT = """
import gc, os, sys
from livecell_monai.heap import collect_garbage_rarely
if sys.argv[1] == "rarely":
    collect_garbage_rarely()
before = gc.get_stats()[0]["collections"]
kept = [[] for _ in range(15_000)]
print(gc.get_stats()[0]["collections"] - before, flush=True)
seen = lambda phase, about: os.write(1, b"%d\\n" % (len(gc.get_objects()) > 15_000))
gc.callbacks.append(seen)
"""


@pytest.mark.parametrize(("how", "collections", "at_the_end"), [("rarely", range(1), "0"), ("as it is", range(10, 30), "1")])
def test_garbage_is_collected_after_many_objects_and_not_at_the_end(how, collections, at_the_end):
    done = subprocess.run([sys.executable, "-c", COLLECT, how], capture_output=True, text=True, check=True)
    while_running, *while_ending = done.stdout.split()
    assert int(while_running) in collections
    assert while_ending[0] == at_the_end  # whether the collector still looks through what is kept
