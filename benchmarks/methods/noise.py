"""Wrong labels: accuracy on right ones and seconds, beside cleanlab's CleanLearning and loops written by hand.

    python benchmarks/methods/noise.py
    python benchmarks/methods/noise.py --seeds 10
    python benchmarks/methods/noise.py --quick

Labels of training rows are made wrong (`melior.proofs.planting`), new rows are right. A peer gets the same encoded
rows, the same network with the same optimiser, rate, schedule and steps (or scikit-learn's logistic regression), and
the same seeds: generalized cross-entropy and co-teaching as plain loops of torch that stand below, and CleanLearning
with its defaults around a logistic regression. Each case runs in a fresh process; the seconds are of the fit alone,
encoding included. Wanted: as good as the peer within the interval, and not slower.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from common import Results, Shown, fresh, mean, median, number, options, part_asked

SETS = {"digits": ("wrong labels 40%", 0.4), "mixed 1500 of 4": ("wrong labels 30%", 0.3)}
NETWORK = {"dropout": 0.0, "weight_decay": 0.01, "epochs": 30, "precision": "float32", "batch_rows": 32}
RAMP = 0.3
OURS: dict[str, tuple[str, Callable[[float], list[Any]]]] = {  # name: family, methods by the share of wrong labels
    "network": ("tabular_network", lambda rate: []),
    "robust_loss": ("tabular_network", lambda rate: ["robust_loss"]),
    "robust_loss, symmetric": ("tabular_network", lambda rate: [{"robust_loss": {"kind": "symmetric"}}]),
    "dynamic_weights": ("tabular_network", lambda rate: [{"dynamic_weights": {"rate": rate, "ramp": RAMP}}]),
    "dynamic_weights, two networks": (
        "tabular_network",
        lambda rate: [{"dynamic_weights": {"rate": rate, "ramp": RAMP, "kind": "co_teaching"}}],
    ),
    "noise_correction, forward": (
        "tabular_network",
        lambda rate: [{"noise_correction": {"kind": "forward", "rounds": 1, "second": "linear"}}],
    ),
    "linear": ("linear", lambda rate: []),
    "label_cleaning": ("linear", lambda rate: ["label_cleaning"]),
    "label_cleaning, dropped": ("linear", lambda rate: [{"label_cleaning": {"action": "drop"}}]),
}
PEERS = {
    "plain loop": "network",
    "plain loop, generalized cross-entropy": "robust_loss",
    "plain loop, co-teaching": "dynamic_weights, two networks",
    "cleanlab CleanLearning": "label_cleaning",
}  # and what of ours it stands beside


def rows_of(name: str, seed: int, few: bool) -> tuple[Any, float]:
    from melior.proofs.data import faulty
    from melior.proofs.planting import FAULTS

    fault, rate = SETS[name]
    found = faulty(name, next(one for one in FAULTS if one.name == fault), seed)
    if few:
        found = type(found)(found.train.take(np.arange(250)), found.test)
    return found, rate


def settings_of(few: bool) -> dict[str, Any]:
    return {**NETWORK, "epochs": 3} if few else NETWORK


def warmed() -> None:
    """What is imported on first use, so that no fit pays for it."""
    import cleanlab.classification
    import sklearn.linear_model
    import torch

    import melior.networks.fitting
    import melior.networks.fusion

    assert all((cleanlab, sklearn, torch, melior))


def ours(name: str, way: str, seed: int, few: bool) -> dict[str, Any]:
    from melior.recipe import Choice, Recipe
    from melior.trials.fit import fit

    warmed()
    rows, rate = rows_of(name, seed, few)
    family, methods = OURS[way]
    model = Choice(name=family, settings=settings_of(few) if family == "tabular_network" else {})
    recipe = Recipe(model=model, metric="accuracy", methods=methods(rate), seed=seed)
    begun = time.perf_counter()
    predictor = fit(recipe, rows.train)
    seconds = time.perf_counter() - begun
    return {"accuracy": float((predictor.answers(rows.test) == rows.test.given_labels()).mean()), "seconds": seconds}


def peer(name: str, way: str, seed: int, few: bool) -> dict[str, Any]:
    from melior.models.linear import Linear
    from melior.models.tabular_network import TabularNetwork

    warmed()
    rows, rate = rows_of(name, seed, few)
    model: Any = Linear() if way.startswith("cleanlab") else TabularNetwork(**settings_of(few))
    begun = time.perf_counter()
    encoder = model.encoder(rows.train, scaled=False).fit(rows.train, seed)
    matrix, labels = encoder.transform(rows.train), rows.train.given_labels()
    if way.startswith("cleanlab"):
        answer = with_cleanlab(matrix, labels, seed)
    else:
        answer = by_hand(way, model, matrix, labels, rate, seed)
    seconds = time.perf_counter() - begun
    return {"accuracy": float((answer(encoder.transform(rows.test)) == rows.test.given_labels()).mean()),
            "seconds": seconds}  # fmt: skip


def with_cleanlab(matrix: Any, labels: Any, seed: int) -> Callable[[Any], Any]:
    from cleanlab.classification import CleanLearning
    from sklearn.linear_model import LogisticRegression

    found = CleanLearning(LogisticRegression(max_iter=500), seed=seed, verbose=False).fit(matrix.values, labels)
    return lambda new: found.predict(new.values)


def by_hand(way: str, model: Any, matrix: Any, labels: Any, rate: float, seed: int) -> Callable[[Any], Any]:
    """A loop as it is written for a paper: batches of a permutation an epoch, AdamW, warm-up and cosine, clipping."""
    import torch
    from torch.nn.functional import cross_entropy

    from melior.networks.build import build
    from melior.networks.states import put_state

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    plan = model.plan(matrix, len(np.unique(labels)))
    networks = [build("fusion", plan) for _ in range(2 if "co-teaching" in way else 1)]
    for one in networks:
        put_state(one, dict(model.measured(matrix, None, plan)), partly=True)
    values = torch.from_numpy(np.ascontiguousarray(matrix.dense(), dtype=np.float32))
    given = torch.from_numpy(labels.astype(np.int64))
    optimizers = [torch.optim.AdamW(one.parameters(), model.usual_rate, weight_decay=model.weight_decay)
                  for one in networks]  # fmt: skip
    each = math.ceil(len(values) / model.batch_rows)
    total, step = model.epochs * each, 0
    for _ in range(model.epochs):
        order = torch.randperm(len(values))
        for start in range(0, len(values), model.batch_rows):
            rows = order[start : start + model.batch_rows]
            share = 1 - rate * min(step / total / RAMP, 1)
            losses = [losses_of(way, one(values[rows]), given[rows], cross_entropy) for one in networks]
            for place, (one, optimizer) in enumerate(zip(networks, optimizers, strict=True)):
                kept = torch.arange(len(rows))
                if len(networks) == 2:
                    kept = losses[1 - place].detach().argsort()[: max(1, round(share * len(rows)))]
                optimizer.zero_grad()
                losses[place][kept].mean().backward()
                torch.nn.utils.clip_grad_norm_(one.parameters(), 1.0)
                for group in optimizer.param_groups:
                    group["lr"] = model.usual_rate * factor(step, total)
                optimizer.step()
            step += 1
    network = networks[0].eval()

    def answer(new: Any) -> Any:
        with torch.no_grad():
            return network(torch.from_numpy(np.ascontiguousarray(new.dense(), dtype=np.float32))).argmax(1).numpy()

    return answer


def losses_of(way: str, logits: Any, labels: Any, cross_entropy: Any) -> Any:
    """(rows,) q = 0.7 as in the paper; cross-entropy otherwise."""
    if "generalized" in way:
        own = logits.softmax(1).gather(1, labels[:, None])[:, 0]
        return (1 - own**0.7) / 0.7
    return cross_entropy(logits, labels, reduction="none")


def factor(step: int, total: int) -> float:
    """Ten per cent of warm-up, then a cosine to 0: what the network families do."""
    warm = max(round(0.1 * total), 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(total - warm, 1)))


def interval(differences: list[float]) -> str:
    """Mean of paired differences with a 95 % interval of Student's t."""
    from scipy.stats import t

    if len(differences) < 2:
        return number(differences[0], 4, True) if differences else "–"
    middle, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / len(differences) ** 0.5
    reach = float(t.ppf(0.975, len(differences) - 1)) * error
    return f"{middle:+.4f} [{middle - reach:+.4f}, {middle + reach:+.4f}]"


def tables(results: Results, seeds: int) -> list[Shown]:
    cases, shown = results.finished(), []
    for name in SETS:
        found = {way: [cases.get(f"{name} | {way} | seed {seed}") for seed in range(seeds)] for way in (*OURS, *PEERS)}
        plain = {"tabular_network": "network", "linear": "linear"}
        rows = []
        for way, (family, _) in OURS.items():
            both = [(a, b) for a, b in zip(found[way], found[plain[family]], strict=True) if a and b]
            gain = "" if way in plain.values() else interval([a["accuracy"] - b["accuracy"] for a, b in both])
            rows.append((way, *figures(found[way]), gain))
        shown.append(Shown(f"{name}, {SETS[name][0]}", ("fit", "accuracy", "seconds", "over the same without"), rows))
        rows = []
        for way, own in PEERS.items():
            both = [(a, b) for a, b in zip(found[own], found[way], strict=True) if a and b]
            ratio = median([b["seconds"] / a["seconds"] for a, b in both]) if both else None
            rows.append((way, *figures(found[way]), own, interval([a["accuracy"] - b["accuracy"] for a, b in both]),
                         number(ratio, 2)))  # fmt: skip
        shown.append(Shown(f"{name}: beside others",
                           ("peer", "accuracy", "seconds", "ours", "ours minus peer", "peer's seconds over ours"),
                           rows))  # fmt: skip
    return shown


def figures(cases: list[dict[str, Any] | None]) -> tuple[str, str]:
    known = [one for one in cases if one]
    return (number(mean([one["accuracy"] for one in known]), 4),
            number(median([one["seconds"] for one in known]), 1) if known else "–")  # fmt: skip


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=5)


PARTS = {"ours": ours, "peer": peer}


def main() -> None:
    if part_asked(PARTS):
        return
    asked = options("Wrong labels beside other libraries and plain loops", more)
    seeds = 1 if asked.quick else asked.seeds
    about = "Wrong labels: beside CleanLearning and plain loops"
    results = Results("methods/noise", about, asked, {"network": NETWORK, "ramp": RAMP, "sets": list(SETS)})
    for name in () if asked.show else list(SETS)[: 1 if asked.quick else None]:
        for seed in range(seeds):
            for part, ways in (("ours", OURS), ("peer", PEERS)):
                for way in ways:
                    results.case(f"{name} | {way} | seed {seed}",
                                 lambda n=name, w=way, s=seed, p=part: fresh("methods/noise", p, name=n, way=w, seed=s,
                                                                             few=asked.quick))  # fmt: skip
    results.show(tables(results, seeds))


if __name__ == "__main__":
    main()
