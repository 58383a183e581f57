"""English sentences that others wrote (presidio-evaluator), filled with people: half to develop with, half kept apart.

The first half are the sentences with an odd number, the second half those with an even one. Places, firms, jobs, years
and nationalities are filled as well and are no personal data. A given name or a surname that stands alone is counted
apart ("single name"): the recognisers leave most of them out on purpose.
"""

import csv
import re
from typing import Any

from personal_texts import Filling

from melior.proofs.sources import people_file, people_templates

Gold = list[tuple[int, int, str]]
NAMES = ("person", "name", "name_male", "name_female")
SINGLE = ("first_name", "last_name", "first_name_male", "first_name_female", "first_name_nonbinary", "last_name_male",
          "last_name_female")  # fmt: skip
SAME = {"credit_card_number": "payment_card", "phone_number": "phone", "ssn": "us_ssn"}
KINDS = {"payment_card", "phone", "us_ssn", "email", "iban", "ip_address", "address"}
STREET = "{{building_number}} {{street_name}}"


def sentences(which: str) -> list[str]:
    lines = people_templates().read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line.replace("\\n", "\n") for number, line in enumerate(lines, 1) if number % 2 == (which == "first half")]
    return [line.replace(STREET, "{{street}}") for line in kept if line.strip()]


def filled(which: str, people: str, times: int, seed: int) -> tuple[list[str], list[Gold]]:
    """Each sentence so often, with names of the United States (Faker) or of many countries."""
    filling = Filling(seed, "held out")
    world = list(csv.DictReader(people_file().open(encoding="utf-8-sig")))
    made, gold = [], []
    for _ in range(times):
        for sentence in sentences(which):
            text, spans = "", []
            for part in re.split(r"(\{\{\w+\}\})", sentence):
                if part.startswith("{{"):
                    slot = part[2:-2]
                    part = value(filling, slot, filling.random.choice(world) if people == "of many countries" else None)
                    kind = "name" if slot in NAMES else "single name" if slot in SINGLE else SAME.get(slot, slot)
                    if kind in KINDS or "name" in kind.split():
                        spans.append((len(text), len(text) + len(part), kind))
                    elif slot == "street":
                        spans.append((len(text), len(text) + len(part), "address"))
                text += part
            made.append(text)
            gold.append(spans)
    return made, gold


def value(filling: Filling, slot: str, person: dict[str, str] | None) -> str:
    faker = filling.english
    kind = SAME.get(slot, slot)
    if slot in NAMES:
        return f"{person['GivenName']} {person['Surname']}" if person else filling.name_english()
    if slot in SINGLE:
        given = slot.startswith("first")
        if person:
            return person["GivenName" if given else "Surname"]
        return str(faker.first_name() if given else faker.last_name())
    if kind in KINDS:
        return filling.fill(kind, "English")
    other: dict[str, Any] = {
        "street": lambda: f"{faker.building_number()} {faker.street_name()}", "organization": faker.company,
        "age": lambda: filling.random.randint(18, 90), "nationality": lambda: "Italian", "zipcode": faker.postcode,
        "date_of_birth": faker.date, "date_time": faker.date, "us_driver_license": lambda: "D" + filling.digits(7),
        "nation_woman": lambda: "Frenchwoman", "nation_plural": lambda: "Danes", "prefix_male": lambda: "Mr.",
        "prefix_female": lambda: "Ms.", "prefix": lambda: "Dr.",
    }  # fmt: skip
    return str(other.get(slot, getattr(faker, slot, lambda: slot))())


def scores(gold: list[Gold], found: list[Gold]) -> dict[str, dict[str, int]]:
    """As in `personal_texts.scores`, but a name that overlaps a planted single name counts for it, and is not false."""
    from personal_texts import scores as counted

    kinds: list[Gold] = []
    for wanted, given in zip(gold, found, strict=True):
        single = [span for span in wanted if span[2] == "single name"]
        kinds.append([])
        for start, end, kind in given:
            for first, last, other in wanted:
                if kind == other == "address" and start <= first and last <= end:
                    start, end = first, last  # town and country follow a planted street in slots of their own
            alone = kind == "name" and any(start < other_end and first < end for first, other_end, _ in single)
            kinds[-1].append((start, end, "single name" if alone else kind))
    return counted(gold, kinds)
