"""What `melior chat` talks to."""

from pathlib import Path

from melior.models.causal_lm import CausalLm
from melior.trials.language_model import Writer, need_networks
from melior.verbs.language import is_language_run, load_writer


def writer_of(what: str | Path) -> Writer:
    """The language model of a run, or any causal model by folder, name or GGUF file."""
    if (Path(what) / "run.json").is_file() or is_language_run(what):
        return load_writer(what)[0]
    need_networks()
    from melior.networks.loading import load_causal

    loaded = load_causal(what)
    return Writer(loaded.model, loaded.tokenizer, CausalLm(base=str(what)), loaded.limit)
