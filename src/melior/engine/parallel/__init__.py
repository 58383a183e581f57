"""Ranks that train together: how they find each other, and how a network is spread over them."""
