"""Images: reading them safely, small and upright; hashes, plain features, and copies that are nearly the same."""
