"""Pretrained language models: loading, LoRA, freezing, tokens, losses, generation, features of frozen encoders.

Above the engine, below the families. Everything here needs torch and transformers, so import it inside functions.
"""
