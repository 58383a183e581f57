"""New tokens for a language that a tokenizer cuts into many pieces, with embeddings that begin where their pieces are.

Wang et al., Improving Pre-Trained Multilingual Models with Vocabulary Expansion, CoNLL 2019; the mean of the pieces:
Gee et al., Fast Vocabulary Transfer for Language Model Compression, EMNLP 2022.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from melior.networks.loading import Loaded
from melior.texts.dictionary import words

PIECES = 3  # a word in fewer is well served already
FEWEST = 5  # times that a word must occur
SHORTEST = 3  # letters


def wanted_words(tokenizer: Any, texts: Iterable[str], most: int, fewest: int = FEWEST) -> list[str]:
    """At most so many words that occur at least `fewest` times and are cut into three pieces or more, those first that
    save the most pieces: (pieces - 1) x times."""
    counts: Counter[str] = Counter(word for text in texts for word in words(text))
    often = sorted(word for word, times in counts.items() if times >= fewest and len(word) >= SHORTEST)
    pieces = (
        tokenizer([f" {word}" for word in often], add_special_tokens=False, verbose=False)["input_ids"] if often else []
    )
    saved = [
        ((len(ids) - 1) * counts[word], word) for word, ids in zip(often, pieces, strict=True) if len(ids) >= PIECES
    ]
    return [word for _, word in sorted(saved, key=lambda one: (-one[0], one[1]))[:most]]


@torch.no_grad()
def extend(loaded: Loaded, new: Sequence[str]) -> int:
    """Adds whole words as tokens, in place, and gives how many; each embedding, and row of an output layer that is not
    tied, begins as the mean of those of the pieces that it was cut into before.

    For reading: a tokenizer on bytes writes added words that are not plain ASCII with wrong letters."""
    from tokenizers import AddedToken

    tokenizer, model = loaded.tokenizer, loaded.model
    known = tokenizer.get_vocab()
    fresh = [word for word in dict.fromkeys(new) if word not in known]
    if not fresh:
        return 0
    # as in the middle of a text: a space is part of the token in some vocabularies
    pieces = tokenizer([f" {word}" for word in fresh], add_special_tokens=False, verbose=False)["input_ids"]
    before = len(tokenizer)
    tokenizer.add_tokens([AddedToken(word, single_word=True, normalized=True, lstrip=False) for word in fresh])
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    tables = [model.get_input_embeddings().weight]
    if head is not None and head.weight is not tables[0]:
        tables.append(head.weight)
    for table in tables:
        old = table.detach().clone()
        for place, ids in enumerate(pieces):
            if ids:
                table[before + place] = old[ids].mean(dim=0)
    return len(fresh)
