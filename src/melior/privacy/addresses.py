"""Street addresses of the United States and alike, and of China."""

import re
from collections.abc import Iterator

from melior.privacy.known_names import is_given, is_surname
from melior.privacy.spans import Span, Tally, Texts

# USPS Publication 28, appendix C1. Those that are not ordinary words too are enough after a number and a name.
_STREETS = (
    "Street|Avenue|Road|Lane|Drive|Boulevard|Court|Terrace|Highway|Parkway|Place|Circle|Turnpike|Alley"
    "|Expressway|Freeway|Causeway|St|Ave|Av|Rd|Ln|Dr|Blvd|Ct|Ter|Hwy|Pkwy|Pl|Cir|Tpke|Sq|Square|Trl|Trail|Way"
    "|Crescent|Close|Mews"
)
_RARE = (
    "Arcade|Bayou|Beach|Bend|Bluffs?|Bottom|Branch|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape|Centers?"
    "|Circles|Cliffs?|Club|Common|Commons|Corners?"
    "|Course|Courts|Coves?|Creek|Crest|Crossing|Crossroad|Curve|Dale|Dam|Divide|Drives|Estates?|Extensions?"
    "|Falls?|Ferry|Fields?|Flats?|Fords?"
    "|Forest|Forges?|Forks?|Fort|Gardens?|Gateway|Glens?|Greens?|Groves?|Harbors?|Haven|Heights|Hills?|Hollow"
    "|Inlet|Islands?|Isle|Junctions?|Keys?"
    "|Knolls?|Lakes?|Land|Landing|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mill|Mills|Mission|Motorway"
    "|Mountains?|Mount|Neck|Orchard|Oval"
    "|Overpass|Parks?|Parkways|Pass|Passage|Path|Pike|Pines?|Plains?|Plaza|Points?|Ports?|Prairie|Radial|Ramp"
    "|Ranch|Rapids?|Rest|Ridges?|River|Roads"
    "|Route|Row|Rue|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Squares|Station|Stravenue|Stream|Streets"
    "|Summit|Throughway|Trace|Track|Trafficway"
    "|Tunnel|Underpass|Unions?|Valleys?|Via|Viaduct|Views?|Villages?|Ville|Vista|Walks?|Wall|Ways|Wells?"
)  # fmt: skip
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH"
    "|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT"
    "|VA|WA|WV|WI|WY|DC|PR|GU|VI|AS|MP|FM|MH|PW|AA|AE|AP|Alabama|Alaska|Arizona|Arkansas|California|Colorado"
    "|Connecticut|Delaware|Florida|Georgia"
    "|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan"
    "|Minnesota|Mississippi|Missouri|Montana"
    "|Nebraska|Nevada|New (?:Hampshire|Jersey|Mexico|York)|(?:North|South) (?:Carolina|Dakota)|Ohio|Oklahoma"
    "|Oregon|Pennsylvania|Rhode Island"
    "|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming"
)
_NAME = (
    r"(?:(?:[NSEW]|[NS][EW]|North|South|East|West)\.? )?(?:[A-Z][A-Za-z'’-]{1,24}|\d{1,3}(?:st|nd|rd|th)|(?:Dr"
    r"|St)\.|[A-Z]\.)(?: (?:[A-Z][A-Za-z'’-]{1,24}|Jr\.)){0,3}?"
)
_UNIT = (
    r"(?:,?\s+(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|Bldg|Building|Box|Flat|Lot"
    r"|#)\.?\s?#?[A-Z0-9-]{1,6}(?![A-Za-z]))"
)
_PLACE = (
    rf"(?:,?\s+[A-Z][A-Za-z.'’-]{{1,24}}(?: [A-Z][A-Za-z.'’-]{{1,24}}){{0,2}},?\s+(?:{_STATES})\.?"
    rf"(?:,?\s+\d{{5}}(?:-\d{{4}})?)?(?![A-Za-z0-9]))"
)
_NUMBER = r"(?<![0-9A-Za-z_./#$€£-])(?<![0-9],)\d{1,6}[A-Z]?(?:-\d{1,4})?"
_ENGLISH = re.compile(
    rf"{_NUMBER},? {_NAME} (?:(?:{_STREETS})(?![A-Za-z])\.?(?:\s(?:NW|NE|SW|SE|N|S|E|W)\b)?(?:{_UNIT})?(?:{_PLACE})?"
    rf"|(?:{_RARE})(?![A-Za-z])(?:(?:{_UNIT})(?:{_PLACE})?|{_PLACE}))"
    rf"|{_NUMBER} Broadway(?:{_UNIT})?(?:{_PLACE})?"
    rf"|(?<![A-Za-z])P\.? ?O\.? Box \d{{1,6}}(?:{_PLACE})?"
    rf"|(?<![A-Za-z])(?:Unit|PSC|USNS|USNV|USCGC|USS) [A-Za-z0-9]{{1,20}},?(?:\s+Box \d{{1,6}})?,?\s+(?:APO|FPO"
    rf"|DPO),? (?:AA|AE|AP) \d{{5}}"
)
STREETS = re.compile(f"{_STREETS}|{_RARE}")  # whole words that a street's name may end with
# Without unit and place, an ordinary word needs a person's name before it: 12 Jefferson Landing.
_NAMED = re.compile(rf"{_NUMBER} (?P<name>[A-Z][a-z]{{2,}}) (?:{_RARE})(?![A-Za-z'’-])(?! [A-Z])")
_DISTANCE = re.compile(
    r"^\d{1,6} (?:Star|Hour|Day|Minute|Mile|Page|Year|Week|Month|Percent|People|Best|Great|Things|Ways|Easy"
    r"|Top|New|Inch|Piece|Pack|Times|Point|Speed)s? "
)

_HAN = "\u4e00-\u9fff"
_PROVINCE = (
    "(?:河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西"
    "|甘肃|青海|台湾)省?|(?:内蒙古|广西(?:壮族)?|西藏|宁夏(?:回族)?|新疆(?:维吾尔)?)(?:自治区)?|(?:北京|上海"
    "|天津|重庆)市?|(?:香港|澳门)(?:特别行政区)?"
)
_OPEN = f"(?:^|(?<=[^{_HAN}])|(?<=[在住于到至址寄送是往从去来给发为区]))"
_CITY = f"[{_HAN}]{{2,5}}?(?:市|自治州|地区|盟)"
_COUNTY = f"[{_HAN}]{{1,5}}?(?:区|县|旗|市)"
_TOWN = f"[{_HAN}]{{1,5}}?(?:街道|镇|乡|村|新区|开发区|园区|社区)"
_ROAD = f"[{_HAN}0-9]{{1,8}}?(?:大道|大街|路|街|道|巷|弄|胡同|里|环)(?:[东西南北中]段|[一二三四五六七八九十]段)?"
_DOOR = r"(?:[A-Za-z]?[0-9０-９零一二三四五六七八九十百]{1,5}(?:-\d{1,4})?(?:号院?|弄|栋|幢|座|号楼)|[A-Za-z]座)"
_INSIDE = (
    f"(?:[{_HAN}A-Za-z0-9]{{0,10}}?(?:[A-Za-z]?[0-9一二三四五六七八九十]{{1,5}}|[A-Za-z])(?:-\\d{{1,4}})?"
    f"(?:号楼|栋|幢|座|单元|楼|层|室|房|户|号)){{0,4}}(?:\\d{{1,4}}-\\d{{1,4}}(?:-\\d{{1,4}})?)?"
)
_LEADING = re.compile(
    "(?:[我他她你您](?:们|的)?|家|现|目前|请|麻烦)*(?:居?住(?:在|于|址)?|搬到|家在|位于|在|寄[到往至]?"
    "|送[到往至]?|发[到往至]?|到|至|地址[是为]?|是)?"
)
_CHINESE = re.compile(
    f"(?:(?:{_PROVINCE})(?:{_CITY})?(?:{_COUNTY})?(?:{_TOWN})?(?:{_ROAD})?|{_OPEN}{_CITY}(?:{_COUNTY})?"
    f"(?:{_TOWN})?(?:{_ROAD})?|{_OPEN}{_COUNTY}(?:{_TOWN})?{_ROAD}|{_OPEN}[{_HAN}]{{2,6}}?(?:大道|大街|路|街"
    f"|巷|弄|胡同))"
    f"{_DOOR}{_INSIDE}(?: ?\\d{{6}}(?![0-9]))?"
    f"|(?:{_PROVINCE})(?:{_CITY})?(?:{_COUNTY}){_TOWN}(?:[{_HAN}]{{1,5}}?(?:村|组))?"
    f"(?:[0-9一二三四五六七八九十]{{1,4}}[组号])?"
)


def find(texts: Texts, tally: Tally) -> Iterator[Span]:
    """Addresses with a number of a house in a street, or a post office box."""
    yield from english(texts)
    yield from chinese(texts)


def english(texts: Texts) -> Iterator[Span]:
    """Number, name and kind of the street; unit, city, state and ZIP code where they follow."""
    for row, text in texts.having(r"\d[A-Z]?,? [A-Z0-9]|[Bb]ox \d|Broadway|[AFD]PO"):
        for match in _ENGLISH.finditer(text):
            if "," in match.group() or not _DISTANCE.match(match.group()):
                yield Span(row, match.start(), match.end(), "address", 0.85)
        for match in _NAMED.finditer(text):
            if is_given(match.group("name")) or is_surname(match.group("name")):
                yield Span(row, match.start(), match.end(), "address", 0.75)


def chinese(texts: Texts) -> Iterator[Span]:
    """From the province, city or district, or the street alone, to the number of the house and the room."""
    for row, text in texts.having(r"\p{Han}.{0,8}[号座栋幢弄]|[镇乡村]"):
        for match in _CHINESE.finditer(text):
            start = match.start() + len(_LEADING.match(match.group()).group())  # type: ignore[union-attr]  # may be empty
            yield Span(row, start, match.end(), "address", 0.88)
