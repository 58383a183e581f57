"""Transformers models and their tokenizers from a folder, a name or a GGUF file, without executing anything from them.

Weights are read from safetensors, from `.bin` through torch's safe loader, or from GGUF (quantised weights become
float32). Code that a model folder brings along is never run. What does not fit is one sentence.
"""

import contextlib
import inspect
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from melior.errors import UserError
from melior.networks.library import whole_library

READ = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.bin")  # what is fetched of a model by name
VOCABULARIES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")  # files of weights alone
FEW = 3  # names listed in a sentence


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer.

    model      the transformers model, float32, in evaluation mode
    tokenizer  its tokenizer; has a pad token
    name       what it was asked for by
    path       the folder or the GGUF file
    notes      what was settled on the way, for people
    """

    model: Any
    tokenizer: Any
    name: str
    path: Path
    notes: tuple[str, ...] = field(default=())

    @property
    def limit(self) -> int:
        """The most tokens of one row, its marks included."""
        return token_limit(self.model.config, self.tokenizer)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the library's remarks and progress bars off the terminal, and puts everything back as it was."""
    import warnings

    whole_library()
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load_encoder(name: str | Path) -> Loaded:
    """A text encoder (BERT and its kin; a causal model serves too) by folder or name.

    The model gives `last_hidden_state` (rows, time, width); heads that the folder holds are left out. UserError: it
    cannot be reached, no config, an architecture that would need code of its own, weights that do not fit, no
    tokenizer, no pad token.
    """
    whole_library()
    from transformers import AutoModel, AutoModelForTextEncoding

    path = found(name)
    if path.is_file():
        raise UserError(f"{name} is a file: an encoder is a folder with config.json, weights and a tokenizer.")
    config = config_at(path, name)
    auto = AutoModelForTextEncoding if getattr(config, "is_encoder_decoder", False) else AutoModel
    model = _model(path, name, config, auto, optional=("pooler.",))
    return _loaded(model, path, name)


def load_causal(name: str | Path) -> Loaded:
    """A causal language model by folder, name or GGUF file.

    UserError as for `load_encoder`; also an encoder (such a model has no next token) and a GGUF file that is damaged
    or of an unknown architecture.
    """
    whole_library()
    from transformers import AutoModelForCausalLM

    path = found(name)
    if path.is_file() and path.suffix != ".gguf":
        raise UserError(f"{name} is a file, and not a GGUF file: give a folder with config.json, or a .gguf file.")
    if path.is_file():
        from melior.networks.gguf import gguf_model

        return _loaded(gguf_model(path, name), path, name)
    config = config_at(path, name)
    if type(config) not in AutoModelForCausalLM._model_mapping or _is_encoder(config):
        raise UserError(f"{name}: {config.model_type} is no causal language model, it gives no next token; use one.")
    return _loaded(_model(path, name, config, AutoModelForCausalLM), path, name)


def found(name: str | Path) -> Path:
    """The folder (or GGUF file) that a name means: a path, or else a model of the hub, from the local cache if it is
    there and by download if not."""
    from huggingface_hub import snapshot_download

    path = Path(name).expanduser()
    if path.exists():
        return path
    wanted = str(name)
    if wanted.startswith((".", "/", "~")) or wanted.count("/") > 1 or wanted.endswith((".gguf", *WEIGHTS)):
        raise UserError(f"{name}: there is no such folder or file.")
    with quiet():
        for local in (True, False):
            try:
                got = Path(snapshot_download(wanted, allow_patterns=list(READ), local_files_only=local))
            except Exception:  # whatever the network or the hub's client says, the answer is the same
                continue
            if (got / "config.json").exists():
                return got
    raise UserError(
        f"{name}: there is no such folder, it is not in the local cache, and it cannot be reached; check the name and "
        "the connection, or give the folder of a model that is on this machine."
    )


def load_tokenizer(path: Path, name: str | Path) -> tuple[Any, tuple[str, ...]]:
    """The tokenizer of a folder or GGUF file, with a pad token, and what was settled for that.

    Where there is no pad token the end token serves: padding is masked, so that its value never counts.
    """
    whole_library()
    from transformers import AutoTokenizer

    where = {"pretrained_model_name_or_path": str(path)}
    if path.is_dir() and not any((path / file).exists() for file in VOCABULARIES):
        # the library would make one that knows no word
        raise UserError(f"{name}: there is no tokenizer in it; add the tokenizer.json that belongs to the model.")
    if path.is_file():
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            tokenizer = AutoTokenizer.from_pretrained(**where, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise UserError(f"{name}: no tokenizer can be read there ({first_line(error)}); add tokenizer.json.") from None
    if not tokenizer.is_fast or not len(tokenizer):
        raise UserError(f"{name}: its tokenizer has no tokenizer.json, so it cannot be used; convert it first.")
    if tokenizer.pad_token_id is not None:
        return tokenizer, ()
    if tokenizer.eos_token is None:
        raise UserError(
            f"{name}: its tokenizer has no pad token and no end token; name one in its tokenizer_config.json "
            "(pad_token)."
        )
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer, (f"{name} has no pad token: its end token {tokenizer.eos_token} pads, masked",)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file, or from .bin, .pt or .pth through torch's safe loader.

    UserError: the file is damaged, or holds anything but tensors (objects would be executed on loading).
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with quiet():
            read = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except SafetensorError as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy.") from None
    except Exception:
        raise UserError(
            f"{path} cannot be read safely: it is damaged, or holds more than tensors; convert it to safetensors."
        ) from None
    if isinstance(read, dict) and set(read) <= {"state_dict", "epoch", "arch"} and "state_dict" in read:
        read = read["state_dict"]
    if not isinstance(read, dict) or not all(isinstance(value, Tensor) for value in read.values()):
        raise UserError(f"{path} holds no tensors by name: save a state_dict, best as safetensors.")
    return dict(read)


def token_limit(config: Any, tokenizer: Any) -> int:
    """The most tokens that model and tokenizer take: positions of the model, where it counts them."""
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None) or 2**20
    if getattr(text, "model_type", "") in POSITIONS_AFTER_PADDING:
        positions -= text.pad_token_id + 1
    return int(min(positions, tokenizer.model_max_length, 2**20))


# their positions start after the number of the pad token, so that many fewer tokens fit
POSITIONS_AFTER_PADDING = frozenset(
    {"roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "xlm-roberta-xl", "roberta-prelayernorm"}
)


def first_line(error: BaseException) -> str:
    """The first sentence of what a library said, short enough for a sentence of ours."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:160].rstrip(". ")


def config_at(path: Path, name: str | Path) -> Any:
    """The config of a model's folder; UserError: none, damaged, or one that would need code of its own."""
    whole_library()
    from transformers import AutoConfig

    if not (path / "config.json").exists():
        raise UserError(f"{name}: there is no config.json in it, so it is no model folder; give one that has it.")
    try:
        with quiet():
            return AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        told = str(error)
        if "trust_remote_code" in told or "custom code" in told:
            raise UserError(f"{name}: it needs code of its own, and no code of a model is run; use another.") from None
        raise UserError(f"{name}: its config.json cannot be used ({first_line(error)}); restore it.") from None


def _model(path: Path, name: str | Path, config: Any, auto: Any, optional: tuple[str, ...] = ()) -> Any:
    """The model with its weights; parts whose names hold one of `optional` may be missing."""
    model, _ = with_weights(path, name, config, kind_of(auto, name, config), pooling=False, optional=optional)
    return model


def kind_of(auto: Any, name: str | Path, config: Any) -> Any:
    """The class of the library that a config means; UserError: none."""
    kind = auto._model_mapping.get(type(config), None)
    kind = kind[0] if isinstance(kind, tuple) else kind
    if kind is None:
        raise UserError(f"{name}: {config.model_type} cannot be used for this; use another model.")
    return kind


def with_weights(
    path: Path, name: str | Path, config: Any, kind: Any, *, pooling: bool, optional: tuple[str, ...]
) -> tuple[Any, list[str]]:
    """The model of a class of the library with the weights of a folder or of one file, and the names of weights that
    are missing there: only such as hold one of `optional` may be. pooling: with a pooling layer, where it can have one.
    """
    where: dict[str, Any] = {"pretrained_model_name_or_path": path}
    if path.is_file():
        where = {"pretrained_model_name_or_path": None, "state_dict": read_weights(path)}
    elif not _has_weights(path):
        raise UserError(f"{name}: there are no weights in it (model.safetensors or pytorch_model.bin).")
    more = {"add_pooling_layer": pooling} if "add_pooling_layer" in inspect.signature(kind.__init__).parameters else {}
    try:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            model, info = kind.from_pretrained(
                **where,
                config=config,
                dtype=torch.float32,
                weights_only=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that the sentence about it is ours
                **more,
            )
    except Exception as error:
        raise UserError(f"{name}: its weights cannot be read safely ({first_line(error)}); restore them.") from None
    other = sorted(info["mismatched_keys"])
    if other:
        key, has, wants = other[0]
        raise UserError(
            f"{name}: its weights do not fit its config: {key} is {list(has)} and should be {list(wants)}; use the "
            "config.json that belongs to the weights."
        )
    missing = sorted(key for key in info["missing_keys"] if not any(part in key for part in optional))
    if missing:
        listed = ", ".join(missing[:FEW]) + (f" and {len(missing) - FEW} more" if len(missing) > FEW else "")
        raise UserError(f"{name}: its weights do not fit its config: {listed} missing; use the config of the weights.")
    return model.eval(), sorted(info["missing_keys"])


def _loaded(model: Any, path: Path, name: str | Path) -> Loaded:
    tokenizer, notes = load_tokenizer(path, name)
    rows = model.get_input_embeddings().weight.shape[0]
    if path.is_file():
        from melior.networks.gguf import without_added

        without_added(tokenizer, rows)
    if len(tokenizer) > rows:
        raise UserError(
            f"{name}: its tokenizer knows {len(tokenizer):,} tokens and its model {rows:,}; use the tokenizer that "
            "belongs to the weights."
        )
    return Loaded(model, tokenizer, str(name), path, notes)


def _has_weights(path: Path) -> bool:
    names = os.listdir(path)
    return any(name.endswith(".safetensors") or name.startswith("pytorch_model") for name in names)


def _is_encoder(config: Any) -> bool:
    """Some encoders have a causal head in the library that nobody trained: they say so by not being decoders."""
    return config.model_type in ("bert", "roberta", "electra", "camembert", "xlm-roberta") and not config.is_decoder
