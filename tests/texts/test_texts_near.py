"""Near copies of texts against sets in plain Python, brute force over all pairs, and planted copies."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest

from melior.texts.chance import chance
from melior.texts.minhash import Bands, band_keys, banding
from melior.texts.near import near_copies
from melior.texts.shingles import code_points, hashed_words, kinds_of, shingles

ODD = [
    None,
    "",
    " \n\t ",
    "!?",
    "a",
    "A",
    "Ａ ",
    "a b",
    "😀",
    "e\u0301",
    "\u00e9",
    "\u0000",
    "ab\ncd",
    "ab cd",
    "東京",
    "x" * 30,
]


def random_texts(g, rows, words=4000, least=20, most=60):
    """Texts of words drawn by Zipf's law, as words are."""
    shares = 1 / np.arange(1, words + 1)
    names = np.array([f"v{number}" for number in range(words)])
    return [" ".join(g.choice(names, g.integers(least, most), p=shares / shares.sum())) for _ in range(rows)]


def edited(text, share, g):
    """Every word with this chance replaced, deleted, doubled by another, or swapped with the next."""
    words = text.split()
    for _ in range(max(1, round(share * len(words)))):
        at, how = g.integers(len(words) - 1), g.integers(4)
        if how == 0:
            words[at] = f"new{g.integers(10**6)}"
        elif how == 1:
            words.insert(at, f"new{g.integers(10**6)}")
        elif how == 2:
            del words[at]
        else:
            words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def plain_sets(texts, unit, length):
    """Shingles as Python's sets of strings; a word is a run of letters, marks and digits."""
    import re
    import unicodedata

    found = []
    for text in texts:
        folded = unicodedata.normalize("NFKC", text or "").lower()
        words = ["".join(m) for m in re.findall(r"(?:\w)+", folded)]
        tokens = words if unit == "words" else list("".join(f" {word}" for word in words))
        many = max(1, len(tokens) - length + 1) if tokens else 0
        found.append({tuple(tokens[start : start + length]) for start in range(many)})
    return found


def jaccard(one, two):
    return len(one & two) / len(one | two)


# ---- shingles


@pytest.mark.parametrize(("unit", "length"), [("words", 1), ("words", 2), ("words", 3), ("characters", 4)])
def test_shingles_are_the_sets_of_plain_python(unit, length):
    g = np.random.default_rng(0)
    texts = [*random_texts(g, 60, 30, 1, 20), None, "", "...", "One, TWO;  two\nthree", "a_b ¼ é ｆｕｌｌ"]
    made, wanted = shingles(pl.Series(texts), unit, length), plain_sets(texts, unit, length)
    assert made.sizes.tolist() == [len(one) for one in wanted]
    sets = [set(made.values[a:b].tolist()) for a, b in zip(made.starts[:-1], made.starts[1:], strict=True)]
    for one, two in combinations(range(len(texts)), 2):
        assert len(sets[one] & sets[two]) == len(wanted[one] & wanted[two])


def test_case_width_and_spacing_make_no_difference():
    same = shingles(pl.Series(["Café No. 7", "  CAFE\u0301\u00a0no 7!", "ｃａｆé\nＮＯ－７"]), "words")
    assert same.sizes.tolist() == [2, 2, 2]
    assert len(np.unique(same.values)) == 2


def test_scripts_without_spaces_are_cut_into_characters():
    assert hashed_words(code_points(pl.Series(["東京 tower ok"])))[1].tolist() == [4]
    assert kinds_of(code_points(pl.Series(["aé東ก -"]))).tolist() == [1, 1, 2, 2, 0, 0, 0]
    assert shingles(pl.Series(["我今天去了北京的长城。"] * 20)).unit == "characters"
    assert shingles(pl.Series(["good", "very good dress"] * 20)).unit == "characters"
    assert shingles(pl.Series(["the dress is good and I would buy it again"] * 20)).unit == "words"


def test_taking_texts():
    made = shingles(pl.Series(["a b c d", "", "b c", "x y z"]), "words")
    some = made.take(np.array([3, 1, 0, 0]))
    assert some.sizes.tolist() == [2, 0, 3, 3]
    assert some.values[2:5].tolist() == made.values[:3].tolist()


def test_chunks_are_no_borders(monkeypatch):
    texts = pl.Series(random_texts(np.random.default_rng(1), 200))
    whole = shingles(texts)
    monkeypatch.setattr("melior.texts.shingles.CHARACTERS_AT_ONCE", 500)
    assert np.array_equal(shingles(texts).values, whole.values)
    assert np.array_equal(shingles(texts).starts, whole.starts)


# ---- bands


@pytest.mark.parametrize(("similarity", "miss"), [(0.3, 0.01), (0.5, 0.05), (0.9, 0.001), (1.0, 0.5)])
def test_bands_keep_what_they_promise(similarity, miss):
    for unrelated in (None, np.full(100, 0.05), np.full(100, 0.2)):
        made = banding(similarity, miss, 100_000, 50, unrelated)
        assert made.found(similarity) >= 1 - miss
        assert (1 - similarity**made.rows) ** made.bands == pytest.approx(1 - made.found(similarity))
    assert banding(0.5, 0.01, 10**6, 50, np.full(9, 0.1)).rows > banding(0.5, 0.01).rows


@pytest.mark.parametrize("overlap", [30, 60, 90])
def test_smallest_hashes_agree_as_often_as_sets_are_similar(overlap):
    """Over many permutations the share of agreements is the Jaccard similarity, within four standard errors."""
    g = np.random.default_rng(overlap)
    words = [f"w{number}" for number in g.permutation(10**5)[: 200 - overlap]]
    sets = shingles(pl.Series([" ".join(words[:100]), " ".join(words[100 - overlap :])]), "words", 1)
    wanted = overlap / (200 - overlap)
    agree = np.mean([keys[0] == keys[1] for keys in band_keys(sets, Bands(4000, 1), seed=overlap)])
    assert agree == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / 4000))
    pairs = np.mean([keys[0] == keys[1] for keys in band_keys(sets, Bands(4000, 2), seed=overlap)])
    assert pairs == pytest.approx(wanted**2, abs=4 * np.sqrt(wanted**2 * (1 - wanted**2) / 4000))


@pytest.mark.parametrize(("similarity", "miss"), [(0.0, 0.1), (1.5, 0.1), (0.5, 0.0), (0.5, 1.0), (float("nan"), 0.1)])
def test_bad_bands_are_refused(similarity, miss):
    with pytest.raises(ValueError, match=r"is not (in|between)"):
        banding(similarity, miss)


# ---- groups


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_those_of_all_pairs(seed):
    g = np.random.default_rng(seed)
    texts = random_texts(g, 150)
    texts += [edited(texts[number], share, g) for share in (0.05, 0.1, 0.2) for number in range(50)]
    found = near_copies(pl.Series(texts), miss=1e-4)
    assert found.sets.unit == "words"
    sets = plain_sets(texts, "words", 2)
    by_chance = chance(found.sets, 0.4)
    ends = zip(found.sets.starts[:-1], found.sets.starts[1:], strict=True)
    weights = [dict(zip(found.sets.values[a:b].tolist(), by_chance.weights[a:b], strict=True)) for a, b in ends]
    group = list(range(len(texts)))
    for one, two in combinations(range(len(texts)), 2):
        shared = sum(weights[one][shingle] for shingle in weights[one].keys() & weights[two].keys())
        near = jaccard(sets[one], sets[two]) >= 0.4 and shared >= by_chance.needed[[one, two]].max()
        if near and group[one] != group[two]:
            old = group[two]
            group = [group[one] if number == old else number for number in group]
    same = found.group[:, None] == found.group
    wanted = np.equal.outer(np.array(group), np.array(group))
    assert (same & ~wanted).sum() == 0
    assert same[wanted].mean() > 0.995


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_edited_copies_are_found_and_nothing_else(share):
    g = np.random.default_rng(7)
    texts = random_texts(g, 1500)
    source = g.choice(1500, 300, replace=False)
    found = near_copies(pl.Series(texts + [edited(texts[number], share, g) for number in source]))
    hit = found.group[source] == found.group[1500:]
    assert hit.mean() >= 0.95
    assert sum(len(members) for members in found.clusters()) == 2 * hit.sum()
    assert (found.likeness[1500:][hit] >= 0.4).all()


@pytest.mark.parametrize("copies", [2, 6])
def test_every_row_has_copies(copies):
    """A threshold from typical distances finds nothing here."""
    g = np.random.default_rng(0)
    texts = [edited(text, 0.03, g) for text in random_texts(g, 60) for _ in range(copies)]
    found = near_copies(pl.Series(texts)).clusters()
    assert sorted(map(tuple, found)) == [tuple(range(copies * k, copies * (k + 1))) for k in range(60)]


def honest(kind, g, n):
    if kind == "one template":
        return [f"Your order {g.integers(10**6)} was shipped on {g.integers(1, 28)} May, it comes with "
                f"{g.choice(['DHL', 'UPS'])} and will be with you soon" for _ in range(n)]  # fmt: skip
    if kind == "five templates":
        made = [" ".join(f"w{k}" for k in g.integers(0, 500, 12)) for _ in range(5)]
        return [f"{made[g.integers(5)]} {g.integers(10**6)} {g.integers(100)} {g.integers(50)}" for _ in range(n)]
    if kind == "few words":
        return [" ".join(g.choice([f"w{k}" for k in range(12)], 12)) for _ in range(n)]
    if kind == "short":
        return random_texts(g, n, 3000, 1, 8)
    if kind == "numbers":
        return [f"{g.normal():.3f}" for _ in range(n)]
    if kind == "letters":
        return ["".join(g.choice(list("abcdefghijklmnop"), g.integers(3, 12))) for _ in range(n)]
    if kind == "chinese":
        shares = 1 / np.arange(1, 801)
        return ["".join(g.choice([chr(0x4E00 + k) for k in range(800)], g.integers(5, 60), p=shares / shares.sum()))
                for _ in range(n)]  # fmt: skip
    return random_texts(g, n, 3000, 5, 80)


@pytest.mark.parametrize(
    "kind", ["one template", "five templates", "few words", "short", "numbers", "letters", "chinese", "zipf"]
)
def test_unrelated_texts_are_no_copies(kind):
    for seed, rows in [(0, 150), (1, 150), (2, 600), (3, 600), (4, 2500)]:
        found = near_copies(pl.Series(honest(kind, np.random.default_rng(seed), rows)), seed=seed)
        assert sum(len(members) for members in found.clusters()) <= 0.01 * rows


def test_stock_phrases_are_not_told_and_long_texts_are():
    g = np.random.default_rng(0)
    found = near_copies(pl.Series(["love it"] * 40 + random_texts(g, 300) + ["love it"] * 40))
    assert not found.told[:40].any()
    assert found.told[40:340].mean() > 0.95
    assert found.clusters() == []


def test_a_shared_band_is_not_compared_pair_by_pair(monkeypatch):
    """Of 3,000 texts in one band each is compared with a few, though they are no copies of one another."""
    import melior.texts.near as near

    compared = []
    inner = near.alike
    monkeypatch.setattr(near, "alike", lambda *given: compared.append(len(given[-1])) or inner(*given))
    g = np.random.default_rng(0)
    monkeypatch.setattr(near, "band_keys", lambda sets, how, seed: iter([np.zeros(len(sets), dtype=np.uint64)]))
    near_copies(pl.Series(random_texts(g, 3000, least=20, most=30)))
    assert 2000 < sum(compared) <= 2 * near.FEW * 3000


def test_same_again_and_in_any_order():
    g = np.random.default_rng(3)
    texts = random_texts(g, 300)
    texts += [edited(text, 0.05, g) for text in texts[:40]]
    first = near_copies(pl.Series(texts))
    assert np.array_equal(first.group, near_copies(pl.Series(texts)).group)
    order = g.permutation(len(texts))
    other = near_copies(pl.Series([texts[k] for k in order]), miss=1e-4)
    pairs = {tuple(sorted(order[members].tolist())) for members in other.clusters()}
    assert pairs == {tuple(members.tolist()) for members in first.clusters()}


# ---- odd input


def test_odd_texts():
    for texts in ([], [None], ["one"], [None] * 50, [""] * 50, ODD, ODD * 5):
        found = near_copies(pl.Series(texts, dtype=pl.String))
        assert len(found.group) == len(texts)
        assert np.isfinite(found.likeness).all()
    assert near_copies(pl.Series([None, ""] * 30, dtype=pl.String)).clusters() == []


def test_a_text_of_five_megabytes():
    g = np.random.default_rng(0)
    huge = " ".join(f"w{k}" for k in g.integers(0, 10**6, 700_000))
    found = near_copies(pl.Series([*random_texts(g, 50), huge, huge + " end"]))
    assert found.clusters()[0].tolist() == [50, 51]
    assert len(found.clusters()) == 1


@pytest.mark.parametrize("similarity", [0.0, -1.0, 1.1, float("nan")])
def test_bad_similarity(similarity):
    with pytest.raises(ValueError, match="similarity"):
        near_copies(pl.Series(["a", "b"]), similarity)


def test_no_shingle_of_no_length():
    with pytest.raises(ValueError, match="is none"):
        shingles(pl.Series(["a"]), "words", 0)


def test_rarity_by_hand():
    """ln(n / d) / length: of 8 texts `a b` is in all, `b c` in 2."""
    texts = ["a b", "a b", "a b c", "a b c", "a b d", "a b e", "a b f", "a b g"]
    sets = shingles(pl.Series(texts), "words", 2)
    found = chance(sets, 0.4)
    assert found.own[:3] == pytest.approx([0, 0, np.log(4) / 2], abs=1e-6)
    assert found.own[4:] == pytest.approx(np.full(4, np.log(8) / 2), abs=1e-6)


def test_lone_surrogates_do_not_get_this_far():
    with pytest.raises((UnicodeEncodeError, TypeError)):
        near_copies(pl.Series(["\ud800"]))
