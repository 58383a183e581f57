"""Small tables for the scikit-learn door, and settings with which a whole improvement of them takes seconds."""

import numpy as np
import pandas as pd

QUICK = {
    "model": "linear",
    "repeats": 1,
    "random_state": 0,
    "never": ("bagging", "stacking", "voting", "label_cleaning", "table_augmentation", "gan_samples"),
}


def spoken_table(rows: int = 200, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers, a category, a text and gaps; the answer follows from all of them, and one row in twelve is wrong."""
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    place = random.choice(["hill", "lake", "town"], rows)
    mood = random.choice(["lovely", "dreadful"], rows)
    words = random.choice(["chair", "table", "lamp", "window", "carpet", "shelf"], (rows, 6))
    score = size + 1.2 * (place == "lake") + 2.5 * (mood == "lovely") - 1.6
    wrong = random.random(rows) < 1 / 12
    frame = pd.DataFrame(
        {
            "size": np.where(random.random(rows) < 0.1, np.nan, size),
            "place": np.where(random.random(rows) < 0.1, None, place),
            "said": [f"a {tone} {' '.join(own)}" for tone, own in zip(mood, words, strict=True)],
            "noise": random.normal(size=rows),
        }
    )
    return frame, np.where((score > 0) ^ wrong, "yes", "no")
