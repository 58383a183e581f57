"""The engine: trains and runs torch modules. It knows rows, batches and losses, and nothing of tables or recipes.

Needs torch (the extra `networks`). Start at `loop.py`: it reads top to bottom.
"""
