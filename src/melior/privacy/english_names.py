"""Names of people in English: what stands after or before words that announce one, and names that are well
known as such. Precise rather than greedy: a capital letter alone is no name."""

import re
from collections.abc import Iterator
from functools import cache

import polars as pl

from melior.privacy.addresses import STREETS
from melior.privacy.known_names import AMBIGUOUS, BRANDS, EVERYDAY, NO_NAMES, is_given, is_surname, known
from melior.privacy.spans import Span, Tally, Texts

_NUMBERED = re.compile(r"\d $")
ORDINARY_ROWS = 20_000  # texts whose lower-case words are known not to be names

_UP, _LOW = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚĞĢĪĮİĶĹĻĽŁŃŅŇŌŐŒŔŘŚŞŠŢŤŪŮŰŲŹŻŽ", "a-zß-öø-ÿā-ž"
_ONE = f"[{_UP}][{_LOW}]+"
_WORD = f"(?:{_ONE}(?:[-'’]{_ONE})?|(?:Mc|Mac|O['’]|D['’]|De|Di|Le|La|Van|Von){_ONE})"
_JOIN = r"(?:(?: [A-Z]\.?)? (?:(?:de|da|van|von|der|den|del|la|bin|al|el) ){0,2})"
_PAIR = re.compile(
    rf"(?<![\w@/.'’-]){_WORD}(?: [A-Z]\.?)?(?: (?:de|da|van|von|der|den|del|la) )?(?:(?<= )| ){_WORD}(?![\w@]|\.\w)"
)
_TITLE = re.compile(
    rf"(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Mister|Dr|Prof|Professor|Doctor|Madam|Sir|Rev|Capt|Sgt)\.? "
    rf"(?P<name>{_WORD}(?:{_JOIN}{_WORD}){{0,2}})(?!\w)"
)
# Said outright: what follows is a name, known or not, in small letters too if it is a known one.
_SAID = re.compile(
    r"(?<![A-Za-z_])(?P<cue>(?:my|his|her|their|the|full|first|last|legal|maiden|given|family|customer|client"
    r"|patient|guest|contact|employee"
    r"|account|cardholder'?s?|applicant'?s?|passenger'?s?|tenant'?s?|student'?s?|sender'?s?|recipient'?s?"
    r"|member'?s?|beneficiary'?s?)? ?name(?: on (?:the )?(?:card|account|file|booking))?(?: is| was|:| -|=)"
    r"|(?:i am|i'm|im) (?:called|named)|(?:is|was) called|named(?= )|goes by"
    r"|(?:attn|attention|customer|client|patient|guest|recipient|sender|signed|signed by|applicant|passenger"
    r"|employee|tenant|beneficiary|contact|contact person|cardholder|account holder|author|manager|interviewer"
    r"|witness|emergency contact|ship to|deliver to|bill to|prepared by|approved by|reviewed by|reported by"
    r"|assigned to|requested by|submitted by|written by):)"
    r"\s*[\"“(]?(?P<title>(?:Mr|Mrs|Ms|Dr|Prof)\.? )?(?P<name>[A-Za-zÀ-ž'’-]+(?:(?: [A-Z]\.)? [A-Za-zÀ-ž'’-]+){0,3})",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"(?:product|file|user|screen|brand|company|business|domain|host|event|project|street|city|country|place"
    r"|item|model|font|column"
    r"|variable|class|pet|dog|cat|team|school|store|shop|restaurant|hotel|game|song|movie|book|code|nick|band"
    r"|package|table|folder|server)\s?$",
    re.IGNORECASE,
)
# Half said: a name of two capital words, or a known one.
_HALF = re.compile(
    r"(?<![A-Za-z])(?:[Dd]ear|[Hh]i|[Hh]ello|[Hh]ey|HI|[Rr]egards,|[Ss]incerely,|[Tt]hanks,|[Tt]hank you,"
    r"|[Cc]heers,|[Bb]est,|[Ww]ishes,|[Yy]ours,"
    r"|[Yy]ours truly,|[Ff]aithfully,|[Rr]espectfully,|[Ll]ove,|[Ii] am|[Ii]['’]m|[Tt]his is|[Ss]poke (?:with"
    r"|to)|[Tt]alked to|[Cc]ontact|[Aa]sk for|[Cc]all|[Cc]alled|[Ee]mail|[Rr]each|[Mm]et|[Ss]igned"
    r"|[Ss]igned by|[Hh]elped by"
    r"|[Ss]erved by|[Aa]gent|[Rr]epresentative|[Mm]anager|[Cc]olleague|[Tt]enant|[Pp]atient|[Cc]ustomer"
    r"|[Cc]lient|[Ee]mployee|[Nn]urse|[Dd]octor|[Tt]echnician|[Rr]eceptionist|[Dd]river|[Aa]ttorney"
    r"|[Ll]andlord|[Ss]pouse|[Hh]usband|[Ww]ife|[Bb]rother|[Ss]ister|[Ss]on|[Dd]aughter|[Ff]riend|[Bb]oss"
    r"|(?:directed|written|sung|played|signed|painted|reviewed|approved|hosted|prepared|led|founded|composed|performed"
    r"|produced|edited|illustrated|narrated|photographed|treated|seen|referred|examined|accompanied|represented) by"
    r"|starring|assistant to|married to|named after|partner's name|(?:change|changed) it to|name\?)"
    rf"(?: of)?(?:(?<=,)\s+|[,:]\s+| )(?P<name>{_WORD}(?:{_JOIN}{_WORD}){{0,2}})(?!\w)"
)

_AFTER_PERSON = re.compile(
    r"['’]s? (?:Hospital|Church|School|College)| (?:[Ss]treet\b|St\.|University|College|School|Hospital"
    r"|Airport|Street|St\b"
    r"|Road|Rd\b|Avenue|Ave\b|Lane|Drive|Boulevard|Blvd"
    r"|Park|County|Inc|LLC|Ltd|Corp|Company|Foundation|Institute|Museum|Library|Center|Centre|Beach|Lake"
    r"|Bridge|Stadium|Award|Prize|Cup|Hotel|Memorial"
    r"|Elementary|High School|Square|Plaza|Building|Tower|Hall|Theater|Theatre|Theorem|Syndrome|& Co|& Sons"
    r"|Group|Bank|Jeans|Collection|Island|Mall|Court|Terrace|Way|Trail|Highway|Place|Brothers|Edition"
    r"|Apartments)\b"
)


def looks_like_name(name: str) -> bool:
    """Whether the whole text is written as a name of two to four words, with a title or an initial perhaps.

    >>> looks_like_name("Dr. Ann B. Lee"), looks_like_name("Lee, Ann"), looks_like_name("Blue Widget 5")
    (True, True, False)
    """
    return _written().fullmatch(name) is not None


@cache
def _written() -> re.Pattern[str]:
    word = rf"(?:{_WORD}|[A-Z]{{2,}}(?:[-'’][A-Z]{{2,}})?)"
    return re.compile(
        rf"(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? )?{word}(?:,? (?:[A-Z]\.?|{word}|de|da|van|von|der|la|bin)){{1,3}}"
        rf"(?:,? (?:Jr|Sr|MD|DDS|PhD|DVM|II|III|IV)\.?)?"
    )


def find(texts: Texts, tally: Tally) -> Iterator[Span]:
    """Names that are announced, that follow a title, or whose given name or surname is common and no ordinary word."""
    for row, text in texts.having(r"(?i:name|called|goes by|[a-z]:)"):
        for match in _SAID.finditer(text):
            name, cue = _until(match.group("name")), match.group("cue").lower().lstrip()
            if name is None or name in ("None", "True", "False") or len(name) < 2:
                continue
            # the bare word name names anything: it needs a person before it or a name of its own after it
            if cue.startswith("name") and (
                _NO_NAME.search(text[max(0, match.start() - 12) : match.start()])
                or not (known(name) or (cue[-1] in ":s-" and " " in name))
            ):
                continue
            yield Span(row, match.start("name"), match.start("name") + len(name), "name", 0.92)
    for row, text in texts.having(
        r"\b(?:Mr|Mrs|Ms|Miss|Mister|Dr|Prof|Professor|Doctor|Madam|Sir|Rev|Capt|Sgt)\.? [A-Z]"
    ):
        for match in _TITLE.finditer(text):
            name = _until(match.group("name"))
            if (
                name is not None
                and not _AFTER_PERSON.match(text, match.start("name") + len(name))
                and _not_brand(match.group())
            ):
                yield Span(row, match.start("name"), match.start("name") + len(name), "name", 0.9)
    ordinary = _ordinary(texts)
    for row, text in texts.having(
        r"\p{Lu}[\p{L}'’-]+ (?:[A-Z]\.? )?[\p{L}'’]|(?i:dear|hi|hello|regards|sincerely|thanks|cheers)"
    ):
        for match in _HALF.finditer(text):
            name = _until(match.group("name"))
            if name is None or _AFTER_PERSON.match(text, match.start("name") + len(name)) or not _not_brand(name):
                continue
            words = name.split()
            if any(word.lower() in ordinary for word in (words[0], words[-1])) and known(name) < 2:
                continue
            if known(name) == 2 or (len(words) > 1 and words[-1].lower() not in ordinary):
                yield Span(row, match.start("name"), match.start("name") + len(name), "name", 0.8)
        yield from _pairs(row, text, ordinary)


def _pairs(row: int, text: str, ordinary: frozenset[str]) -> Iterator[Span]:
    """Two capital words, the first a common given name or the second a common surname."""
    place = 0
    while (match := _PAIR.search(text, place)) is not None:
        first, last = match.group().split()[0], match.group().split()[-1]
        place = match.end() - len(last)  # of three capital words, the second and third may be the name
        given, surname = is_given(first), is_surname(last)
        if not _not_brand(match.group()) or (first.lower() in NO_NAMES and not (given and surname)):
            continue
        if last.lower() in NO_NAMES and not (surname and given and first not in AMBIGUOUS):
            continue
        if _AFTER_PERSON.match(text, match.end()):
            place = match.end()
            continue
        if STREETS.fullmatch(last) and (
            not surname or _NUMBERED.search(text, max(0, match.start() - 2), match.start())
        ):
            continue  # Jessica Cove, 331 John Brooks
        if last in EVERYDAY and (first in AMBIGUOUS or not given):
            continue  # Olive Green, Chase Banks
        plain = last.lower() in ordinary
        if given and surname and not (first in AMBIGUOUS and plain):
            score = 0.85
        elif given and first not in AMBIGUOUS and first.lower() not in ordinary and not plain:
            score = 0.75
        elif (
            surname
            and not plain
            and first.lower() not in ordinary
            and (not _begins(text, match.start()) or _fills_line(text, match.start(), match.end()))
        ):
            score = 0.6
        else:
            continue
        place = match.end()
        yield Span(row, match.start(), match.end(), "name", score)


def _begins(text: str, start: int) -> bool:
    """Whether a sentence begins here, where any word has a capital letter."""
    before = text[:start].rstrip() if start < 200 else text[start - 200 : start].rstrip()
    return not before or before[-1] in '.!?:;"”“(-–•*'


def _fills_line(text: str, start: int, end: int) -> bool:
    """Whether nothing else stands in the line, and the text has others."""
    return text[start - 1 : start] in ("", "\n") and text[end : end + 1] in ("", "\n") and end - start < len(text)


def _not_brand(name: str) -> bool:
    return " ".join(name.lower().replace(".", "").split()) not in BRANDS


def _until(name: str) -> str | None:
    """The words of an announced name: capital ones up to the first that is no part of a name; small ones if known."""
    kept: list[str] = []
    small = name == name.lower()
    words = [word.rstrip(".'’-") for word in name.split()]
    sure = is_given(words[0]) and any(is_surname(word) for word in words[1:2])  # April Logan, Amanda Prince
    for word in re.findall(r"\S+", name):
        plain = word.rstrip(".'’-")
        if small:
            titled = plain.title()
            if (is_given(titled) if not kept else is_surname(titled) or is_given(titled)) and plain not in NO_NAMES:
                kept.append(word)
                continue
            break
        joining = kept and plain in ("de", "da", "van", "von", "der", "den", "del", "la", "bin", "al", "el")
        if not joining and (
            not plain[:1].isupper()
            or (plain.lower() in NO_NAMES and not (sure and plain in words[:2]))
            or (plain.isupper() and len(plain) > 1 and not name.isupper())
        ):
            break
        kept.append(word)
    while kept and kept[-1].islower() and not small:
        kept.pop()
    if not kept:
        return None
    return name[: name.index(kept[0]) + len(" ".join(kept))].rstrip("-'’")


def _ordinary(texts: Texts) -> frozenset[str]:
    """Words that the column writes in small letters: as a capital word they are no evidence of a name."""
    some = texts.series.head(ORDINARY_ROWS).drop_nulls().str.slice(0, 2000)
    if some.is_empty():
        return frozenset()
    words = some.str.extract_all(r"\b[a-z]{2,}\b").explode().drop_nulls().unique()
    return frozenset(words.to_list()) if words.dtype == pl.String else frozenset()
