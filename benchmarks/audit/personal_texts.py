"""Texts with personal data in known places: sentences to develop with, and others that were kept apart until the end.

A sentence has slots: {name}, {email}, ... are filled with personal data, {x_order}, {x_version}, ... with what looks
like it and is none. Values come from Faker (people, addresses, numbers) and from the functions here; the check digits
are computed here once more, independently of the package.
"""

import random
import re
import string
from typing import Any

# ---- sentences: (development, held out)

ENGLISH = {
    "development": [
        "My name is {name} and I would like to return the jacket.",
        "Please contact {name} at {email} or {phone}.",
        "Customer {name} called from {phone} about a refund.",
        "I talked to {name} yesterday and nothing happened.",
        "Ship the parcel to {address}.",
        "The new office is at {address}, second door on the left.",
        "Charge my card {payment_card} please.",
        "Card number: {payment_card}, exp 04/27.",
        "Transfer the money to IBAN {iban} by Friday.",
        "My SSN is {us_ssn} for the tax form.",
        "SSN on file {us_ssn}.",
        "Passport number {passport} expires next year.",
        "He travels with passport no. {passport}.",
        "Login from {ip_address} was blocked.",
        "The server at {ip_address} does not answer.",
        "Email me: {email}",
        "You can reach me at {phone} after five.",
        "Tel. {phone}",
        "Dear {name}, your appointment is confirmed.",
        "Regards,\n{name}",
        "Patient: {name}, phone {phone}",
        "{name} signed the lease on Monday.",
        "Mr. {name} was very rude to our driver.",
        "See https://{url_user}@files.acme.io/reports for the backup.",
    ],
    "held out": [
        "Hello, this is {name}; my account still shows the wrong balance.",
        "Could you please send the invoice to {email} instead?",
        "Our technician {name} will visit {address} tomorrow morning.",
        "I gave the agent my credit card {payment_card} and was billed twice.",
        "Payment by visa {payment_card} was declined.",
        "Refund goes to account {iban}.",
        "For the background check we have her social security number {us_ssn}.",
        "Applicant: {name}\nSSN: {us_ssn}\nPhone: {phone}",
        "The passport ({passport}) was stolen in Lisbon.",
        "Requests from IP {ip_address} exceed the limit.",
        "Host {ip_address} rebooted at midnight.",
        "If {name} does not pick up, dial {phone}.",
        "His mobile is {phone} and his mail is {email}.",
        "We moved from {address} last spring.",
        "Mail the certificate to {name}, {address}.",
        "Mrs. {name} complained about the noise.",
        "Yesterday {name} opened a ticket about the heating.",
        "The contract was prepared by {name} and approved by {name}.",
        "Emergency contact: {name} ({phone})",
        "Sincerely, {name}",
        "git clone https://{url_user}@code.acme.io/tools.git fails.",
    ],
}  # fmt: skip
ENGLISH_NOTHING = {
    "development": [
        "Order {x_order} has not arrived.",
        "Tracking number {x_order} shows no movement.",
        "Invoice {x_digits} from {x_date} is still open.",
        "Firmware version {x_version} fixes the bug.",
        "We run nginx/{x_version} in production.",
        "SKU {x_sku} is out of stock.",
        "Commit {x_hash} broke the build.",
        "Request id {x_uuid} timed out.",
        "The event at {x_timestamp} was logged twice.",
        "ISBN {x_isbn} is out of print.",
        "The Great Wall and Mount Everest are on my list.",
        "Blue Ridge Coffee sells Dark Roast beans for $12.99.",
        "Please read Chapter {x_small} and Section {x_section} first.",
        "Meet at 10:30 on {x_date}, Gate 12.",
        "The device {x_mac} joined the network.",
        "The 24 Hour Fitness Way is a slogan.",
        "{x_order}",
    ],
    "held out": [
        "Booking reference {x_order} could not be found.",
        "Part number {x_digits} fits all models.",
        "Upgrade to release {x_version} before {x_date}.",
        "Python {x_version} is not supported.",
        "Serial {x_sku} was registered already.",
        "Checksum {x_hash} does not match.",
        "Session {x_uuid} expired at {x_timestamp}.",
        "EAN {x_isbn} scanned at the till.",
        "Golden Gate Bridge and Yellowstone Park were crowded.",
        "Happy Valley Tea costs 4.50 and Silver Moon Soap 3.20.",
        "See clause {x_section} of the agreement, page {x_small}.",
        "Doors open 19:45, Row 14, Seat 22.",
        "MAC address {x_mac} is banned.",
        "Top 10 Best Way to Drive in snow.",
        "Transaction {x_order} posted twice.",
        "log entry {x_order}",
        "The parking meter took 2 hours and 500 steps of my day.",
    ],
}  # fmt: skip
CHINESE = {
    "development": [
        "我叫{name}，想退掉上周买的外套。",
        "请联系{name}，电话{phone}。",
        "客户姓名：{name}，手机号：{phone}，邮箱：{email}",
        "收件人{name}，地址：{address}。",
        "我住在{address}，请尽快送货。",
        "身份证号{resident_id}，请核对。",
        "本人身份证号码为{resident_id}。",
        "银行卡号{bank_card}，开户行招商银行。",
        "请把钱打到{bank_card}这张银行卡。",
        "统一社会信用代码：{unified_credit_code}",
        "我的护照号是{passport}。",
        "{name}先生昨天来过门店。",
        "{name}女士反映空调不制冷。",
        "登录IP为{ip_address}，请确认是否本人操作。",
        "邮件发到{email}就可以了。",
        "打{phone}找我。",
        "座机{landline}一直没人接。",
        "负责人：{name}",
        "由{name}负责跟进。",
    ],
    "held out": [
        "您好，我是{name}，上个月的账单有问题。",
        "联系人：{name}；联系电话：{phone}",
        "快递请寄到{address}，谢谢。",
        "家住{address}，孩子今年上小学。",
        "证件号：{resident_id}，有效期十年。",
        "申请人{name}（身份证{resident_id}）提交了材料。",
        "收款卡号：{bank_card}",
        "我用尾号不同的银行卡{bank_card}付的款。",
        "开票信息：税号{unified_credit_code}",
        "护照号码：{passport}，请办理签证。",
        "我们找{name}老师报的名。",
        "{name}经理答应三天内回复。",
        "来自{ip_address}的访问被拦截。",
        "有事请发邮件至{email}。",
        "微信同手机{phone}。",
        "公司电话{landline}，工作日可拨打。",
        "经办人：{name}，日期：{x_date}",
        "患者{name}，复诊。",
    ],
}  # fmt: skip
CHINESE_NOTHING = {
    "development": [
        "订单号{x_order}还没发货。",
        "运单{x_digits}显示已签收。",
        "固件版本{x_version}修复了问题。",
        "货号{x_sku}缺货。",
        "会议时间{x_date}上午十点。",
        "高兴的是商品质量很好，方便又安全。",
        "马上就到，于是我等了两个小时。",
        "我们在市区路口等车，3号线很挤。",
        "交易流水{x_order}重复。",
        "提交{x_hash}之后无法编译。",
        "这款金属外壳很漂亮，黄色和白色都有。",
        "{x_order}",
        "全国统一零售价299元，包邮。",
    ],
    "held out": [
        "单号{x_order}查不到物流。",
        "工单编号{x_digits}已关闭。",
        "请升级到版本{x_version}。",
        "序列号{x_sku}无效。",
        "{x_date}收到货，包装完好。",
        "常用的功能都在首页，时间安排合理。",
        "向上滑动解锁，连接蓝牙即可。",
        "地铁2号口出来走路五分钟，路边有停车位。",
        "日志{x_uuid}显示超时。",
        "安装包校验值{x_hash}不一致。",
        "江南风味的点心，甘甜可口，包装精美。",
        "批次{x_order}抽检合格。",
        "温度计显示三十八度，夏天太热了。",
    ],
}  # fmt: skip
TEXTS = {"English": (ENGLISH, ENGLISH_NOTHING), "Chinese": (CHINESE, CHINESE_NOTHING)}

CITIES = {
    "development": [
        ("浙江省", "杭州市", "西湖区"),
        ("广东省", "深圳市", "南山区"),
        ("江苏省", "南京市", "鼓楼区"),
        ("", "北京市", "朝阳区"),
        ("", "上海市", "浦东新区"),
        ("四川省", "成都市", "武侯区"),
        ("", "苏州市", "姑苏区"),
        ("湖北省", "武汉市", "洪山区"),
    ],
    "held out": [
        ("山东省", "青岛市", "市南区"),
        ("", "重庆市", "渝中区"),
        ("陕西省", "西安市", "雁塔区"),
        ("福建省", "厦门市", "思明区"),
        ("", "广州市", "天河区"),
        ("湖南省", "长沙市", "岳麓区"),
        ("", "天津市", "和平区"),
        ("广西壮族自治区", "南宁市", "青秀区"),
    ],
}
ROADS = {
    "development": ["文三路", "科技园路", "中山北路", "建国门外大街", "世纪大道", "人民南路", "观前街", "珞喻路"],
    "held out": ["香港中路", "解放碑步行街", "高新路", "湖滨南路", "体育西路", "麓山南路", "南京道", "民族大道"],
}

_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def luhn_digit(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - place % 2), 10)) for place, d in enumerate(reversed(digits)))
    return str(-total % 10)


class Filling:
    """Values for the slots, from one seed."""

    def __init__(self, seed: int, which: str) -> None:
        from faker import Faker

        self.random, self.which = random.Random(seed), which
        self.english, self.chinese = Faker("en_US"), Faker("zh_CN")
        self.europe = [Faker(place) for place in ("de_DE", "fr_FR", "en_GB", "es_ES", "nl_NL")]
        for number, one in enumerate((self.english, self.chinese, *self.europe)):
            one.seed_instance(seed + number)

    def digits(self, many: int) -> str:
        return "".join(self.random.choices(string.digits, k=many))

    def fill(self, slot: str, language: str) -> str:
        own = getattr(self, f"{slot}_{language.lower()}", None) or getattr(self, slot)
        return str(own())

    # people

    def name_english(self) -> str:
        return f"{self.english.first_name()} {self.english.last_name()}"

    def name_chinese(self) -> str:
        return self.chinese.name()

    def email(self) -> str:
        return self.english.free_email()

    def phone_english(self) -> str:
        return self.english.phone_number()

    def phone_chinese(self) -> str:
        number = self.chinese.phone_number()
        way = self.random.random()
        return number if way < 0.7 else f"+86 {number}" if way < 0.8 else f"{number[:3]}-{number[3:7]}-{number[7:]}"

    def landline(self) -> str:
        return f"{self.random.choice(['010', '021', '0571', '0755'])}-{self.random.randint(2, 8)}{self.digits(7)}"

    def address_english(self) -> str:
        return self.english.address().replace("\n", ", ")

    def address_chinese(self) -> str:
        if self.random.random() < 0.3:
            return self.chinese.address().rpartition(" ")[0]
        province, city, county = self.random.choice(CITIES[self.which])
        road, door = self.random.choice(ROADS[self.which]), self.random.randint(1, 999)
        inside = self.random.choice(
            [
                "",
                f"{self.random.randint(1, 20)}号楼{self.random.randint(101, 2800)}室",
                f"{self.random.randint(2, 30)}栋2单元{self.random.randint(101, 999)}",
            ]
        )
        return f"{province}{city}{county}{road}{door}号{inside}"

    def payment_card(self) -> str:
        start, many = self.random.choice(
            [("4", 16), ("51", 16), ("55", 16), ("2300", 16), ("37", 15), ("6011", 16), ("65", 16), ("3540", 16)]
        )
        body = start + self.digits(many - 1 - len(start))
        number = body + luhn_digit(body)
        if self.random.random() < 0.5 or many != 16:
            return number
        return self.random.choice(" -").join(number[i : i + 4] for i in range(0, 16, 4))

    def bank_card(self) -> str:
        body = "62" + self.digits(self.random.choice([13, 16]))
        return body + luhn_digit(body)

    def iban(self) -> str:
        account = self.random.choice(self.europe).iban()
        return (
            account if self.random.random() < 0.5 else " ".join(account[i : i + 4] for i in range(0, len(account), 4))
        )

    def us_ssn(self) -> str:
        return self.english.ssn()

    def passport_english(self) -> str:
        return self.english.passport_number()

    def passport_chinese(self) -> str:
        return self.random.choice(["E", "G", "EA", "EJ"]) + self.digits(8)

    def ip_address(self) -> str:
        return self.english.ipv4_public() if self.random.random() < 0.8 else self.english.ipv6()

    def url_user(self) -> str:
        return f"{self.english.user_name()}:{self.english.password(special_chars=False)}"

    def resident_id(self) -> str:
        return self.chinese.ssn()

    def unified_credit_code(self) -> str:
        body = (
            self.random.choice(["91", "92", "12", "51"])
            + self.chinese.ssn()[:6]
            + self.digits(8)
            + self.random.choice(_LETTERS)
        )
        total = sum(_LETTERS.index(c) * pow(3, place, 31) for place, c in enumerate(body))
        return body + _LETTERS[-total % 31]

    # what looks like it

    def x_order(self) -> str:
        way = self.random.random()
        if way < 0.4:
            return str(self.random.randint(3, 6)) + self.digits(15)  # a tenth of those with an issuer pass for a card
        if way < 0.6:
            month, day = self.random.randint(1, 12), self.random.randint(1, 28)
            return f"{self.random.choice(['2023', '2024'])}{month:02}{day:02}{self.digits(10)}"
        if way < 0.8:
            return "1" + self.digits(10)  # 11 digits: a tenth looks like a mobile
        return self.digits(18)

    def x_digits(self) -> str:
        return self.digits(self.random.choice([9, 10, 12, 14]))

    def x_version(self) -> str:
        return ".".join(str(self.random.randint(0, 99)) for _ in range(4))

    def x_sku(self) -> str:
        return "".join(self.random.choices(string.ascii_uppercase, k=3)) + "-" + self.digits(5) + "-" + self.digits(4)

    def x_hash(self) -> str:
        return "".join(self.random.choices("0123456789abcdef", k=40))

    def x_uuid(self) -> str:
        return self.english.uuid4()

    def x_timestamp(self) -> str:
        return str(self.random.randint(1_600_000_000, 1_760_000_000) * self.random.choice([1, 1000]))

    def x_isbn(self) -> str:
        return self.english.isbn13(separator="")

    def x_date(self) -> str:
        return self.english.date()

    def x_small(self) -> str:
        return str(self.random.randint(2, 40))

    def x_section(self) -> str:
        return ".".join(str(self.random.randint(1, 9)) for _ in range(4))

    def x_mac(self) -> str:
        return self.english.mac_address()


def texts(language: str, which: str, many: int, seed: int) -> tuple[list[str], list[list[tuple[int, int, str]]]]:
    """Texts, and for each the personal data in it: start, end, kind. Each has one to three sentences in any order."""
    told, nothing = TEXTS[language]
    filling = Filling(seed, which)
    choose = filling.random
    joined = " " if language == "English" else ""
    made: list[str] = []
    gold: list[list[tuple[int, int, str]]] = []
    for _ in range(many):
        sentences = [choose.choice(told[which])] if choose.random() < 0.6 else []
        sentences += [choose.choice(nothing[which]) for _ in range(choose.randint(0 if sentences else 1, 2))]
        choose.shuffle(sentences)
        text, spans = "", []
        if not joined:  # a Chinese sentence without its full stop ends with the line
            sentences = [one if one[-1] in "。，" else f"{one}\n" for one in sentences]
        for part in re.split(r"(\{\w+\})", joined.join(sentences).strip()):
            if part.startswith("{"):
                slot = part[1:-1]
                value = filling.fill(slot, language)
                if not slot.startswith("x_"):
                    spans.append((len(text), len(text) + len(value), "phone" if slot == "landline" else slot))
                part = value
            text += part
        made.append(text)
        gold.append(spans)
    return made, gold


def scores(
    gold: list[list[tuple[int, int, str]]], found: list[list[tuple[int, int, str]]]
) -> dict[str, dict[str, Any]]:
    """By kind: hits, found and wanted. A hit overlaps by half of the union at least (Jaccard) and has the same kind."""
    counted: dict[str, dict[str, Any]] = {}
    for wanted, given in zip(gold, found, strict=True):
        left = list(given)
        for start, end, kind in wanted:
            one = counted.setdefault(kind, {"hits": 0, "found": 0, "wanted": 0})
            one["wanted"] += 1
            for other in left:
                both = min(end, other[1]) - max(start, other[0])
                if other[2] == kind and both >= 0.5 * (max(end, other[1]) - min(start, other[0])):
                    one["hits"] += 1
                    left.remove(other)
                    break
        for _, _, kind in given:
            counted.setdefault(kind, {"hits": 0, "found": 0, "wanted": 0})["found"] += 1
    return counted
