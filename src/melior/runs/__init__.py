"""Runs: folders that hold all of it, safe to kill at any moment, verifiable, shareable."""
