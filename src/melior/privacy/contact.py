"""Ways to reach a person or a machine: e-mail, phones outside China, IP addresses, log-ins in web addresses."""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

from melior.privacy.chinese import PHONE_WORDS
from melior.privacy.spans import Span, Tally, Texts, Words, word

_LOCAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?$|[A-Za-z0-9_]$")
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}(?:[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,59})(?![A-Za-z0-9])"
)
_SPELLED = re.compile(
    r"(?<![A-Za-z0-9._-])[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\s?[\[({](?:at|AT|@)[\])}]\s?[A-Za-z0-9-]{1,63}"
    r"(?:(?:\s?[\[({](?:dot|DOT|\.)[\])}]\s?|\.)[A-Za-z0-9-]{2,24}){1,4}"
)
_FILES = frozenset(
    (
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "bmp",
        "ico",
        "css",
        "js",
        "json",
        "html",
        "htm",
        "php",
        "py",
        "txt",
        "pdf",
        "zip",
        "tgz",
        "gz",
        "exe",
        "md",
    )
)
_URL_USER = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://([^\s/@:<>\"']{1,128}(?::[^\s/@<>\"']{0,128})?)@[A-Za-z0-9\[]"
)

# As RIGHT, but 212-555-0187-Fax ends before the word.
_END = r"(?![0-9A-Za-z_/]|[-.][0-9]|-(?!(?:office|fax|home|work|mobile|cell|direct)(?![A-Za-z]))[A-Za-z])"
# North American numbering plan: area code and exchange begin with 2 to 9, and neither ends in 11.
_NANP = r"[2-9]\d\d"
_AMERICAN = re.compile(
    rf"(?<![0-9A-Za-z_/.+])(?<![0-9A-Za-z]-)(?P<country>(?:\+|00)?1[ .-]?)?(?:(?P<open>\()"
    rf"(?P<area>{_NANP})\)[ -]?|(?P<bare>{_NANP})(?P<by>[ .-]?))"
    rf"(?P<exchange>[2-9]\d\d)(?P<join>[ .-]?)(?P<line>\d{{4}})(?P<ext> ?(?:x|ext\.?|extension) ?\d{{1,6}})?{_END}",
    re.IGNORECASE,
)
# ITU-T E.164: a country code and at most 15 digits in all, here written in groups or as one.
_ABROAD = re.compile(
    r"(?<![0-9A-Za-z_/.+-])\+(?!1(?![0-9])|86)[1-9]\d{0,2}(?:[ .-]?\(0?\d{0,4}\))?(?:[ .-]?\d){6,13}(?: ?(?:x"
    r"|ext\.?) ?\d{1,6})?(?![0-9A-Za-z_])",
    re.IGNORECASE,
)
# 00 in place of +: only before a country code that there is (ITU-T E.164, list of assigned codes), and then a gap.
_DIALLED = re.compile(
    r"(?<![0-9A-Za-z_/.+-])00 ?(?:7|2(?:0|7|[1-689]\d)|3(?:[0-469]|[578]\d)|4(?:[013-9]|2\d)|5(?:[1-8]|[09]\d)"
    r"|6(?:[0-6]|[7-9]\d)|8(?:[124]|[05789]\d)|9(?:[0-58]|[679]\d))(?P<gap>[ .-]?)(?:\(0?\d{0,4}\))?"
    r"\d(?:[ .-]?\d){5,12}(?![0-9A-Za-z_]|-[A-Za-z])"
)
_NATIONAL = re.compile(r"(?<![0-9A-Za-z_/.+-])\(?0\d{2,4}\)?[ /-]?\d{3,4}[ -]?\d{3,5}(?![0-9A-Za-z_]|[-.]\d)")

_FOUR = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IP4 = re.compile(rf"(?<![0-9A-Za-z_.-])(?<![vV]\.){_FOUR}(?:\.{_FOUR}){{3}}(?![0-9A-Za-z_]|\.[0-9]|-[A-Za-z0-9])")
_IP6 = re.compile(
    r"(?<![0-9A-Za-z_:.])[0-9A-Fa-f:]{2,39}:(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})(?![0-9A-Za-z_]"
    r"|:[0-9A-Fa-f:]|\.\d)"
)
_IP_WORDS = Words(
    word(
        "ips?",
        "ipv4",
        "ipv6",
        "address(?:es)?",
        "hosts?",
        "servers?",
        "subnet",
        "gateway",
        "dns",
        "ping",
        "ssh",
        "client",
        "proxy",
        "login",
        "logged",
        "connect(?:ed|ion|ing)?",
        "firewall",
        "router",
        "visitor",
        "blocked",
        "remote",
        "logins?",
    )
    + "|地址|登录|登陆|访问|服务器|主机|来自|网关|客户端|攻击",
    word(
        "v",
        "vers?",
        "versions?",
        "releases?",
        "firmware",
        "build",
        "builds",
        "updates?",
        "upgrad(?:e|ed|ing)",
        "sections?",
        "chapter",
        "clause",
        "patch",
        "rev",
        "revision",
        "driver",
        "sdk",
        "app",
        "software",
        "kernel",
        "figure",
        "rule",
        "item",
        "library",
        "package",
        "installed",
        "python",
        "chrome",
        "windows",
        "android",
        "ios",
        "bios",
        "plugin",
        "module",
        "runtime",
    )
    + "|版本|升级|更新|章节|条款|固件|驱动|补丁|安装",
)


def find(texts: Texts, tally: Tally) -> Iterator[Span]:
    """E-mail addresses, phones, IP addresses, log-ins in web addresses."""
    yield from emails(texts)
    yield from url_users(texts)
    yield from phones(texts)
    yield from ip_addresses(texts)


def emails(texts: Texts) -> Iterator[Span]:
    """Addresses of the everyday form of RFC 5322, and those spelled with [at] and [dot], which are no names of people
    even where a name is announced. File names such as logo@2x.png are none."""
    for row, text in texts.having(r"[A-Za-z0-9_+-]@[A-Za-z0-9]"):
        for place in re.finditer("@", text):
            start, end = place.start(), place.end()
            local = _local(text, start)
            domain = _DOMAIN.match(text, end)
            if local is None or domain is None or domain.group().rpartition(".")[2].lower() in _FILES:
                continue
            if local == start - 3 and text[local:start] == "git" and text[domain.end() : domain.end() + 1] == ":":
                continue
            yield Span(row, local, domain.end(), "email", 0.97)
    for row, text in texts.having(r"[\[({](?:at|AT|@)[\])}]"):
        for match in _SPELLED.finditer(text):
            yield Span(row, match.start(), match.end(), "email", 0.93)


def _local(text: str, end: int) -> int | None:
    """Where the part before @ begins; at most 64 characters are looked at."""
    first = end
    while (
        first > 0
        and end - first < 64
        and (text[first - 1].isascii() and (text[first - 1].isalnum() or text[first - 1] in "._%+'-"))
    ):
        first -= 1
    while first < end and not text[first].isalnum() and text[first] != "_":
        first += 1
    found = _LOCAL.match(text[first:end])
    return first if found and ".." not in text[first:end] else None


def url_users(texts: Texts) -> Iterator[Span]:
    """The user, with a password or without, between :// and @ of a web address (RFC 3986, 3.2.1)."""
    for row, text in texts.having(r"://[^\s/@]{1,256}@"):
        for match in _URL_USER.finditer(text):
            if match.group(1) != "git":
                yield Span(row, match.start(1), match.end(1), "url_user", 0.99)


def phones(texts: Texts) -> Iterator[Span]:
    """Phones of North America in their usual ways of writing, and any number with + or 00 and a country code.

    Ten digits without anything between, and national numbers that begin with 0, need to be said to be a phone.
    """
    for row, text in texts.having(r"[2-9]\d\d\)?[ .-]?[2-9]\d\d[ .-]?\d{4}"):
        for match in _AMERICAN.finditer(text):
            said = PHONE_WORDS.say(text, match.start(), match.end(), texts.header)
            by, join = match.group("by"), match.group("join")
            whole = not match.group("open") and not by and not join
            if match.group("bare") and by != join and not (match.group("country") or by == ""):
                continue
            if said <= 0 and (match.group("area") or match.group("bare"))[1:] == "11":
                continue
            plus = bool(match.group("country")) and match.group("country")[0] in "+0"
            written = plus or bool(match.group("open")) or (by in (".", "-") and by == join)
            if said > 0 or (said == 0 and written) or (plus and said < 0) or (written and match.group("ext")):
                yield Span(
                    row, match.start(), match.end(), "phone", 0.9 if said > 0 else 0.5 if whole and not plus else 0.8
                )
    for row, text in texts.having(r"\+[1-9]\d?"):
        for match in _ABROAD.finditer(text):
            digits = sum(c.isdigit() for c in match.group())
            if 8 <= digits <= 20 and (said := PHONE_WORDS.say(text, match.start(), match.end(), texts.header)) >= 0:
                yield Span(row, match.start(), match.end(), "phone", 0.9 if said else 0.8)
    for row, text in texts.having(r"\b00 ?[2-9]\d"):
        for match in _DIALLED.finditer(text):
            said = PHONE_WORDS.say(text, match.start(), match.end(), texts.header)
            if said > 0 or (said == 0 and match.group("gap")):
                yield Span(row, match.start(), match.end(), "phone", 0.9 if said else 0.75)
    for row, text in texts.having(r"\(?0\d{2,4}\)?[ /-]?\d{3,4}[ -]?\d{3}"):
        for match in _NATIONAL.finditer(text):
            if PHONE_WORDS.say(text, match.start(), match.end(), texts.header) > 0:
                yield Span(row, match.start(), match.end(), "phone", 0.7)


def ip_addresses(texts: Texts) -> Iterator[Span]:
    """IPv4 and IPv6. Versions, sections, and the addresses of no machine (0.0.0.0, loopback, masks) are none; four
    numbers of one or two digits below 20 need to be said to be an address."""
    for row, text in texts.having(r"\d\.\d{1,3}\.\d{1,3}\.\d"):
        for match in _IP4.finditer(text):
            parts = [int(part) for part in match.group().split(".")]
            if parts[0] in (0, 127, 255):
                continue
            said = _IP_WORDS.say(text, match.start(), match.end(), texts.header)
            product = re.search(r"[A-Za-z)][/ _-]$", text[max(0, match.start() - 2) : match.start()])
            joined = product is not None and product.group()[-1] != " "
            if said < 0 or joined or (said == 0 and max(parts) < 20):
                continue
            yield Span(row, match.start(), match.end(), "ip_address", 0.95 if said else 0.85)
    for row, text in texts.having(r"[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:"):
        for match in _IP6.finditer(text):
            groups = [group for group in match.group().split(":") if group]
            if len(groups) < 3 or not any(c.isdigit() for c in match.group()):
                continue
            try:
                IPv6Address(match.group())
            except ValueError:
                continue
            yield Span(row, match.start(), match.end(), "ip_address", 0.95)
