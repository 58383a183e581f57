"""The fixtures of this folder; what they are made of stands in toys."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from toys import beyond, case, context, table  # noqa: F401
