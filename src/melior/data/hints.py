"""What a column's name suggests: an identifier, a code, a time. A hint only; the cells must agree."""

import re

_ID = re.compile(r"ids?|uuid|guid|uid|pid")
_ID_AT_END = re.compile(r"key|no|nr|pk|idx|index|rowid")
_CODE = re.compile(r"codes?|zip|zipcode|postcode|postal|plz|pincode|sku|isbn|phone|tel|mobile|ssn|fips")
_CHINESE_ID = re.compile(r"(?:编号|号码|序号|学号|工号|单号|流水号|证号|卡号|账号|主键)$")
_CHINESE_CODE = re.compile(r"(?:邮编|邮政编码|电话|手机|手机号|代码|编码)$")
_TIME = re.compile(
    r"(?:^|[_\s.-])(?:date|time|datetime|timestamp|ts|day|at|on|dt|created|updated|modified)(?:$|[_\s.-])"
    r"|(?:Date|Time|At)$|timestamp|时间|日期|時間|日付|年月日"
)


def _pieces(name: str) -> list[str]:
    """customerID, order_no, Clothing ID -> lower-case pieces."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [piece.lower() for piece in re.split(r"[^A-Za-z0-9]+", apart) if piece]


def says_id(name: str) -> bool:
    """Whether a column's name suggests an identifier: Clothing ID, order_no, 编号."""
    pieces = _pieces(name) or [""]
    ends = any(_ID.fullmatch(piece) for piece in (pieces[0], pieces[-1]))
    return ends or bool(_ID_AT_END.fullmatch(pieces[-1]) or _CHINESE_ID.search(name))


def says_code(name: str) -> bool:
    """Whether a column's name suggests a code whose digits are no quantity: zip, area_code, 邮编."""
    pieces = _pieces(name) or [""]
    return any(_CODE.fullmatch(piece) for piece in (pieces[0], pieces[-1])) or bool(_CHINESE_CODE.search(name))


def says_time(name: str) -> bool:
    """Whether a column's name suggests times: created_at, orderDate, 日期."""
    return bool(_TIME.search(name) or _TIME.search(name.lower()))
