"""What each recogniser finds, and what looks like it and is none."""

import pytest

from melior.privacy.columns import personal_spans
from melior.privacy.spans import Span, masked, resolved


def found(text: str, header: str = "") -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in personal_spans([text], header).spans]


FOUND = {
    "payment_card": [
        ("Charge 4111 1111 1111 1111 please", "4111 1111 1111 1111"),
        ("visa 5555555555554444", "5555555555554444"),
        ("信用卡378282246310005已扣款", "378282246310005"),
        ("amex 3782 822463 10005", "3782 822463 10005"),
    ],
    "bank_card": [
        ("银行卡号6205500000000000004。", "6205500000000000004"),
        ("卡号：6205 5000 0000 0000 004", "6205 5000 0000 0000 004"),
    ],
    "iban": [
        ("pay DE89370400440532013000 now", "DE89370400440532013000"),
        ("to GB82 WEST 1234 5698 7654 32 today", "GB82 WEST 1234 5698 7654 32"),
        ("IBAN: fr1420041010050500013m02606", "fr1420041010050500013m02606"),
    ],
    "us_ssn": [("her SSN is 219-09-9998", "219-09-9998"), ("social security number 219099998", "219099998")],
    "passport": [
        ("passport number: X1234567", "X1234567"),
        ("护照号码E12345678", "E12345678"),
        ("Passport No. 123456789 expired", "123456789"),
    ],
    "email": [
        ("write to ann.lee+shop@mail.co.uk.", "ann.lee+shop@mail.co.uk"),
        ("邮箱zhang_3@qq.com谢谢", "zhang_3@qq.com"),
        ("ann (at) mail (dot) com", "ann (at) mail (dot) com"),
        ("<o'neil@example.org>", "o'neil@example.org"),
        ("contact: John.Smith (at) example.com", "John.Smith (at) example.com"),
    ],
    "url_user": [("postgres://bob:secret@db.acme.io/x", "bob:secret"), ("ftp://ann@files.acme.io", "ann")],
    "ip_address": [
        ("login from 203.0.113.77", "203.0.113.77"),
        ("IP：8.8.8.8", "8.8.8.8"),
        ("via fe80::1ff:fe23:4567:890a", "fe80::1ff:fe23:4567:890a"),
        ("2001:db8:0:1:1:1:1:1 is blocked", "2001:db8:0:1:1:1:1:1"),
        ("see http://198.51.100.7:8080/x", "198.51.100.7"),
    ],
    "phone": [
        ("call (212) 555-0187", "(212) 555-0187"),
        ("212.555.0187 x12", "212.555.0187 x12"),
        ("+1 212 555 0187", "+1 212 555 0187"),
        ("phone 2125550187", "2125550187"),
        ("212-555-0187-Fax", "212-555-0187"),
        ("ring +44 20 7946 0958 today", "+44 20 7946 0958"),
        ("手机13812345678", "13812345678"),
        ("+86 138-1234-5678", "+86 138-1234-5678"),
        ("电话010-82345678转801", "010-82345678转801"),
        ("打13812345678找我", "13812345678"),
        ("请打１３８１２３４５６７８找我", "１３８１２３４５６７８"),
        ("0044 20 7946 0958", "0044 20 7946 0958"),
        ("ring 00442079460958", "00442079460958"),
        ("电话0086-10-82345678", "0086-10-82345678"),
    ],
    "resident_id": [
        ("身份证11010519491231002X", "11010519491231002X"),
        ("440524188001010014", "440524188001010014"),
        ("11010519491231002x", "11010519491231002x"),
    ],
    "unified_credit_code": [
        ("税号91350100M000100Y43", "91350100M000100Y43"),
        ("91350100M000100Y43", "91350100M000100Y43"),
    ],
    "address": [
        ("I live at 12 Oak Street, Apt 4B, Springfield, IL 62704.", "12 Oak Street, Apt 4B, Springfield, IL 62704"),
        ("send to 1600 Pennsylvania Avenue NW", "1600 Pennsylvania Avenue NW"),
        ("P.O. Box 12", "P.O. Box 12"),
        ("我住在北京市朝阳区建国路88号3号楼201室。", "北京市朝阳区建国路88号3号楼201室"),
        ("寄到浙江省杭州市西湖区文三路138号，谢谢", "浙江省杭州市西湖区文三路138号"),
    ],
    "name": [
        ("My name is Wiremu Ngata-Pere.", "Wiremu Ngata-Pere"),
        ("my name is linda smith", "linda smith"),
        ("I met Linda Gray there", "Linda Gray"),
        ("I met Jürgen Schmitt there", "Jürgen Schmitt"),
        ("it was Miroš Horvatinčić again", "Miroš Horvatinčić"),
        ("Mr. Okonkwo was late", "Okonkwo"),
        ("Regards,\nApril Logan", "April Logan"),
        ("Patient: Maria de la Cruz", "Maria de la Cruz"),
        ("我叫王小明，", "王小明"),
        ("姓名：欧阳娜娜", "欧阳娜娜"),
        ("请联系张伟，", "张伟"),
        ("向李娜女士道歉", "李娜"),
        ("由马涛负责", "马涛"),
        ("汤明亮先生", "汤明亮"),
    ],
}

NOTHING = [
    "",
    " ",
    "4111111111111112 is my card",
    "order 4111111111111111",
    "订单号4111111111111111",
    "4111111111111111",
    "a4111111111111111",
    "0.4111111111111111",
    "order-4111111111111111",
    "pay DE89370400440532013001",
    "XX89370400440532013000",
    "invoice DE89370400440532013000",
    "part 219-09-9998",
    "ssn 000-12-3456",
    "ssn 666-12-3456",
    "ssn 912-12-3456",
    "SSN 123-00-4567",
    "219099998",
    "SSN 078-05-1120",
    "X1234567",
    "护照很新",
    "logo@2x.png",
    "react@18.2.0",
    "git@github.com:user/repo",
    "ann@localhost",
    "@ann said hi",
    "a@b",
    "https://mail.acme.io/x@y",
    "version 203.0.113.77",
    "v203.0.113.77",
    "Chrome/118.0.59.70",
    "section 1.2.3.4",
    "1.2.3.4",
    "127.0.0.1",
    "300.1.2.3",
    "203.0.113.77.5",
    "ip 256.1.1.1",
    "at 12:30:45",
    "12:a2:cc:f6:35:be",
    "std::vector",
    "order 212-555-0187",
    "2125550187",
    "1700000000",
    "1700000000000",
    "13812345678",
    "订单13812345678",
    "2024-03-15",
    "(2024)",
    "1 212 5",
    "运单号13812345678",
    "110105194912310021",
    "身份证110105194912310021",
    "110105194902300021",
    "000105194912310021",
    "91350100M000100Y44",
    "20240315123045123X",
    "5 Star Drive",
    "24 Hour Fitness Way",
    "Street 12",
    "in 12 Days",
    "三号线路口",
    "路上堵车",
    "市区路口",
    "北京市很大",
    "南京路步行街",
    "The Great Wall",
    "Dear Customer,",
    "Johns Hopkins University",
    "Calvin Klein jeans",
    "Product name: Blue Widget",
    "Virginia Beach",
    "file name: Report Final",
    "Rose Garden",
    "we met at Jessica Cove today",
    "in Olive Green",
    "score_name=None",
    "212-555-0187-A",
    "my name is on the list",
    "高兴的是安全",
    "用户常用的",
    "这是黄色的",
    "客户满意",
    "谢谢",
    "马上到",
    "联系客服，",
    "方便面",
    "姓名：未知",
    "我是高级会员",
    "学生安全，",
    "于是",
    "负责人应当在场",
    "汤可爱，味道好",
    "汤明亮，",
    "serial 00123 456 789",
    "order 0049 30 1234567",
    "00442079460958",
    "订单１３８１２３４５６７８",
]


@pytest.mark.parametrize(("kind", "text", "part"), [(kind, *case) for kind, cases in FOUND.items() for case in cases])
def test_found(kind, text, part):
    assert (kind, part) in found(text)
    assert len(found(text)) == 1


@pytest.mark.parametrize("text", NOTHING)
def test_nothing(text):
    assert not found(text)


def test_credentials_are_no_email():
    assert found("https://bob:secret@example.com/x") == [("url_user", "bob:secret")]


def test_the_nearest_word_says_what_a_number_is():
    assert found("order 17 was paid by card 4111111111111111")
    assert not found("paid by card, order 4111111111111111")
    assert found("Order 17 came. Visa 4111111111111111")
    assert found("2125550187", "phone")
    assert not found("212-555-0187", "order_no")
    assert found("X1234567", "passport_no") == [("passport", "X1234567")]


def test_nothing_in_a_masked_example_but_its_shape():
    assert masked("ann.lee@mail.com 4111-1111") == "xxx.xxx@xxxx.xxx ####-####"
    assert masked("王小明") == "某某某"
    assert masked("a\nb\t" + "c" * 100) == "x x " + "x" * 36 + "…"


def test_of_overlapping_spans_the_better_is_kept():
    spans = [
        Span(0, 0, 5, "name", 0.6),
        Span(0, 4, 9, "email", 0.9),
        Span(0, 9, 12, "phone", 0.5),
        Span(1, 0, 3, "name", 0.6),
    ]
    assert resolved(spans) == [spans[1], spans[2], spans[3]]
    assert resolved([]) == []


@pytest.mark.parametrize("texts", [[], [None], [None, ""], [""], ["\ud800 ann@mail.com"], ["\x00" * 50]])
def test_odd_input(texts):
    spans = personal_spans(texts).spans
    assert [span.kind for span in spans] == (["email"] if texts and texts[0] and "@" in texts[0] else [])
    assert all(span.start == 2 for span in spans)


PIECES = [
    "1",
    "1 ",
    "a",
    "a.",
    "a@",
    "A ",
    "Al ",
    "::",
    "1:",
    "1.",
    "(",
    "+1",
    "://a",
    "路",
    "王",
    "市",
    "张伟",
    "Mr. ",
    "62",
    "IB12 ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_huge_cell_is_read_in_one_pass(piece):
    """A text of 500,000 characters must come back: an expression that is quadratic in its length takes hours."""
    personal_spans([piece * (500_000 // len(piece))])
