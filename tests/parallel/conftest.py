"""The toys of the engine's tests serve here too."""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "engine"))
