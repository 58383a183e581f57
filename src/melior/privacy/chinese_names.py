"""Names of people in Chinese: after 姓名, 联系人, 我叫 and the like, before 先生, 女士 and the like, and in a name's
place and made of a name's characters. Precise rather than greedy: a surname's character alone is no name."""

import re
from collections.abc import Iterator

from melior.privacy._chinese_lists import COMPOUND, EVERYDAY, FOLLOWING, GIVEN, NEVER, PRAISE, SURNAMES, TITLES, WORDS
from melior.privacy.spans import Span, Tally, Texts

_HAN = "\u4e00-\u9fff"
_AFTER = "|".join(FOLLOWING)
_SURNAME = f"(?:{'|'.join(COMPOUND)}|[{''.join(sorted(SURNAMES))}])"
_CHARACTER = f"(?!{_AFTER})[{_HAN}](?<![{NEVER}])"
_NAME = f"{_SURNAME}{_CHARACTER}(?:{_CHARACTER})?"
_END = f"(?=[^{_HAN}]|$|{_AFTER}|[的是在已说和与及把被将给找向要想会能去来到也都就又对])"
# A role that is followed by a name in forms and in sentences.
_ROLES = (
    "姓名|名字|联系人|收件人|收货人|寄件人|发件人|负责人|申请人|经办人|投诉人|报案人|持卡人|开户人|户名|患者"
    "|病人|法定代表人|法人|签收人"
    "|审批人|监护人|操作员|被保险人|受益人|委托人|代理人|当事人|承租人|原告|被告|乘客|旅客|房东|租客|客户"
    "|顾客|用户|员工|学生|家长|店员"
    "|嘉宾|作者|同事|参会人|代表人|签字人|审核人|制单人|主治医生|班主任"
)
_ROLE = re.compile(
    f'(?:{_ROLES})(?:信息|名称)?(?:(?P<sure>(?:叫|为|是|名叫|名字是)?\\s*[:：=]\\s*[“"]?|叫|名叫|名字是|名为)'
    f'|\\s*[(（“"]?|为|是)'
    f"(?P<name>{_NAME}){_END}"
)
# In a form the whole field is the name, whatever its surname.
_FIELD = re.compile(
    f"(?:姓名|名字|联系人|[收寄发]件人|收货人|负责人|申请人|经办人|持卡人|开户人|户名)\\s*[:：=]\\s*"
    f"(?P<name>[{_HAN}]{{2,4}})(?![{_HAN}·])"
)
_NO_FIELD = re.compile(f"[{NEVER}]|未知|不详|匿名|保密|如下|附件|公司|集团|测试|本人|同上|部门|中心|学校|商店|银行")
_CALLED = re.compile(f"(?:我叫|名叫|他叫|她叫|叫做|名字是|我名字叫|本名)(?P<name>{_NAME}){_END}")
_AM = re.compile(f"(?:我是|这是|本人|我们是)(?P<name>{_NAME}){_END}")
_TITLED = re.compile(f"(?P<name>{_NAME})(?={'|'.join(TITLES)})")
_PLAIN = f"(?:{'|'.join(COMPOUND)}|[{''.join(sorted(SURNAMES - EVERYDAY))}])"
_OFTEN = f"(?!{_AFTER})[{''.join(sorted(GIVEN))}]"
_PLACED = re.compile(
    f"(?:(?:^|(?<=[^{_HAN}A-Za-z0-9])|(?<=[由给跟找让被请叫和与及系]))(?P<three>{_PLAIN}{_OFTEN}{_OFTEN})"
    f"|(?:(?<=联系)|(?<=[由找跟让]))(?P<two>{_PLAIN}{_OFTEN}))"
    f"(?=[^{_HAN}]|$|{'|'.join(word for word in FOLLOWING if len(word) > 1)}|[的是在已说和与及把被将给找])"
)
_CARE = re.compile(
    f"(?:联系|由|找)(?P<name>{_SURNAME}(?:{_OFTEN}){{1,2}})"
    "(?=负责|处理|跟进|接待|办理|签收|电话|手机|[，,。；、（(:：]|$)"
    f"|(?:姓名|联系人|[收寄发]件人|收货人|申请人|经办人|投诉人|持卡人|患者|乘客|旅客)(?P<form>{_NAME})(?![{_HAN}])"
)
_WHOLE = re.compile(f"{_SURNAME}(?:[{_HAN}](?<![{NEVER}])){{1,2}}")


def find(texts: Texts, tally: Tally) -> Iterator[Span]:
    """Names in running text."""
    for row, text in texts.having(r"\p{Han}{2}"):
        for match in _FIELD.finditer(text):
            if not _NO_FIELD.search(match.group("name")):
                yield Span(row, *match.span("name"), "name", 0.94)
        for pattern, score in ((_ROLE, 0.92), (_CALLED, 0.92), (_AM, 0.85)):
            for match in pattern.finditer(text):
                name = match.group("name")
                sure = pattern is _CALLED or bool(match.groupdict().get("sure"))
                if name in WORDS or (name[:2] in WORDS and not sure) or not (sure or plausible(name)):
                    continue
                yield Span(row, *match.span("name"), "name", score)
        for match in _TITLED.finditer(text):
            start, end = match.span("name")
            if end - start == 3 and text[start] in EVERYDAY and text[start + 1] in SURNAMES - EVERYDAY:
                start += 1  # 向李娜女士: to Li Na
            if text[start:end] not in WORDS and text[start : start + 2] not in WORDS:
                yield Span(row, start, end, "name", 0.88)
        for match in _CARE.finditer(text):
            group = "name" if match.group("name") else "form"
            if match.group(group) not in WORDS and match.group(group)[:2] not in WORDS:
                yield Span(row, *match.span(group), "name", 0.8)
        for match in _PLACED.finditer(text):
            group = "three" if match.group("three") else "two"
            if match.group(group)[:2] not in WORDS and match.group(group)[1:] not in PRAISE:
                yield Span(row, *match.span(group), "name", 0.7 if group == "three" else 0.65)


def plausible(name: str) -> bool:
    """Whether each character of the given name is a common one, and the surname begins no common word or the given
    name has two characters.

    >>> plausible("陈伟"), plausible("高伟"), plausible("高伟明"), plausible("习惯")
    (True, False, True, False)
    """
    surname = 2 if name[:2] in COMPOUND else 1
    given = name[surname:]
    return bool(given) and all(c in GIVEN for c in given) and (name[0] not in EVERYDAY or len(given) > 1 or surname > 1)


def looks_like_name(text: str) -> bool:
    """Whether the whole text is a surname with one or two characters of a given name.

    >>> looks_like_name("王小明"), looks_like_name("欧阳娜娜"), looks_like_name("王的"), looks_like_name("苹果")
    (True, True, False, False)
    """
    return _WHOLE.fullmatch(text) is not None and text not in WORDS
