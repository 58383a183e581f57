"""Causal models out of GGUF files: the config, and the weights as float32, whatever they were quantised to.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. It holds numbers and texts and nothing that
could be executed.
"""

import contextlib
import io
from pathlib import Path
from typing import Any

import torch

from melior.errors import MissingExtra, UserError
from melior.networks.library import whole_library


def gguf_model(path: Path, name: str | Path) -> Any:
    """The model in the file. UserError: damaged, an architecture that is not known, weights that do not fit."""
    whole_library()
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils.import_utils import is_gguf_available

    from melior.networks.loading import first_line, quiet

    if not is_gguf_available():
        raise MissingExtra(f"{name}: reading a GGUF file", "networks")
    if path.open("rb").read(4) != b"GGUF":
        raise UserError(f"{name} is no GGUF file (it does not begin with GGUF): restore it from a copy.")
    try:
        # the reader shows a bar of its own, which no setting turns off
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

            settings = load_gguf_checkpoint(str(path), return_tensors=False)["config"]
            config = AutoConfig.for_model(**settings)
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            read = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model, torch_dtype=torch.float32)[
                "tensors"
            ]
    except Exception as error:
        raise UserError(f"{name}: this GGUF file cannot be used ({first_line(error)}); use another.") from None
    own = model.state_dict()
    for key, tensor in read.items():
        if key in own and own[key].shape != tensor.shape:
            raise UserError(
                f"{name}: its weights do not fit its config: {key} is {list(tensor.shape)} and should be "
                f"{list(own[key].shape)}; the file is damaged, use another."
            )
    lacking = set(model.load_state_dict(read, strict=False).missing_keys) - _tied(model)
    if lacking:
        raise UserError(f"{name}: {min(lacking)} is missing in the file; it is damaged, use another.")
    model.tie_weights()
    return model.eval()


def without_added(tokenizer: Any, rows: int) -> None:
    """Takes out a mark that the library adds to every tokenizer of this kind where the file has none: its number lies
    beyond the model's `rows` token vectors, and a text that holds it would stop the model."""
    import json

    from tokenizers import Tokenizer

    own = json.loads(tokenizer.backend_tokenizer.to_str())
    beyond = [token for token in own["added_tokens"] if token["id"] >= rows]
    if not beyond or {token["content"] for token in beyond} - {"<|endoftext|>"}:
        return
    own["added_tokens"] = [token for token in own["added_tokens"] if token["id"] < rows]
    for token in beyond:
        own["model"]["vocab"].pop(token["content"], None)
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(own, ensure_ascii=False))


def _tied(model: Any) -> set[str]:
    """Names of weights that are another weight's: the output layer that is the table of token vectors."""
    if not getattr(model.config.get_text_config(), "tie_word_embeddings", False):
        return set()
    output = model.get_output_embeddings()
    return {f"{name}.weight" for name, module in model.named_modules() if module is output}
