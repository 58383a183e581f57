"""Threads that meet transformers first at the same moment."""

import subprocess
import sys

TOGETHER = """
import sys, threading, time
from importlib.machinery import SourceFileLoader

plain = SourceFileLoader.exec_module

def slow(self, module):  # the moment in which the library is in nobody's hands is made a long one
    plain(self, module)
    if module.__name__ == "transformers":
        time.sleep(0.5)

SourceFileLoader.exec_module = slow
from melior.networks.scratch import small_causal, small_encoder

met, wrong = threading.Barrier(2), []

def go(make):
    met.wait()
    try:
        make()
    except Exception as error:
        wrong.append(repr(error))

makers = [lambda: small_encoder(50, width=8, depth=1, heads=2), lambda: small_causal(50, width=8, depth=1, heads=2)]
both = [threading.Thread(target=go, args=(one,)) for one in makers]
[one.start() for one in both]
[one.join() for one in both]
print(wrong)
"""


def test_two_threads_make_networks_at_once():
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"
