"""What runs trials: threads of this process, or the machines of a cluster."""
