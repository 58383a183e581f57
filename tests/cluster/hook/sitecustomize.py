"""Python reads this at its start where the folder is on PYTHONPATH: each trial leaves a line in the file $COUNTED when
it begins and when it ends, and takes $DELAY seconds more. Whether a race looks at one fold first is not left to the
clock, so that two runs can be compared however busy the machine is. Nothing is loaded that the process would not load
itself."""

import hashlib
import importlib.util
import os
import sys
import time


class Hook:
    """Finds some modules as they would be found without it, and changes each as soon as it is loaded."""

    def find_spec(self, name, path=None, target=None):
        change = CHANGES.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def loaded(module):
            load(module)
            change(module)

        spec.loader.exec_module = loaded
        return spec


def counted(module):
    bench = module.Bench
    fitted = bench.fitted

    def slower(self, recipe, number):
        fold = self.folds[number]
        key = hashlib.sha256(recipe.fingerprint().encode() + fold.train.tobytes() + b"|" + fold.test.tobytes())
        key.update(str(self.table.rows).encode())

        def line(word):
            handle = os.open(os.environ["COUNTED"], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
            os.write(handle, f"{word} {key.hexdigest()[:16]} {os.getpid()}\n".encode())
            os.close(handle)

        line("begun")
        time.sleep(float(os.environ.get("DELAY", "0")))
        result = fitted(self, recipe, number)
        line("ended")
        return result

    bench.fitted = slower


def unhurried(pace):
    pace.QUICK = 1e9


CHANGES = {"melior.trials.bench": counted, "melior.improvement.pace": unhurried}
if os.environ.get("COUNTED"):
    sys.meta_path.insert(0, Hook())
