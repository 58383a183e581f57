"""Torch modules of the families of networks, and what pretrained language models need (loading, LoRA, freezing, tokens,
losses, generation, features of frozen encoders).

Everything here needs torch (the extra `networks`), so the families import it inside functions.
"""
