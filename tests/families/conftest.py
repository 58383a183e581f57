"""Without torch there are no networks to test; what must hold without it stands in test_networks_chosen."""

from importlib.util import find_spec

if find_spec("torch") is None:
    collect_ignore = ["test_network_runs.py", "test_network_families.py", "test_network_parts.py"]
