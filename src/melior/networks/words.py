"""Words of a text as one vector: embeddings under learned attention."""

import torch
from torch import Tensor, nn

from melior.engine.sparse import SparseEmbedding


class WordsVector(nn.Module):
    """(rows, time) word numbers, -1 where a text has ended, to (rows, width): the mean of the words' embeddings, each
    weighted as a learned vector says (softmax over the words of the text). A text without words is a vector of zeros.

    Yang et al., Hierarchical Attention Networks for Document Classification, NAACL 2016, with one level.

    sparse: a step changes the vectors of the words in its texts and no others, see `SparseEmbedding`
    """

    def __init__(self, words: int, width: int, *, sparse: bool = False) -> None:
        super().__init__()
        self.embedding = SparseEmbedding(words, width) if sparse else nn.Embedding(words, width)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.attention = nn.Linear(width, 1)
        self.width = width

    def forward(self, tokens: Tensor) -> Tensor:
        real = tokens >= 0
        # a word beyond the vocabulary cannot come from the encoder; 0 is the unknown word
        known = torch.where(real & (tokens < self.embedding.num_embeddings), tokens, 0)
        if isinstance(self.embedding, SparseEmbedding):  # what only fills up a row is no word that the row holds
            seen = torch.zeros(*known.shape, self.width, dtype=self.embedding.weight.dtype, device=known.device)
            seen = seen.masked_scatter(real[:, :, None], self.embedding(known[real]))
        else:
            seen = self.embedding(known)  # (rows, time, width)
        said = self.attention(seen).squeeze(2).masked_fill(~real, -1e4)
        shares = torch.softmax(said, dim=1) * real
        found: Tensor = (shares[:, :, None] * seen).sum(dim=1)
        return found
