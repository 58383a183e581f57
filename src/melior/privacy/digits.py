"""Check digits: whether the last characters of a number are what the others say they must be."""

_LUHN = {str(d): (d, sum(divmod(2 * d, 10))) for d in range(10)}
_RESIDENT_WEIGHTS = tuple(pow(2, power, 11) for power in range(17, -1, -1))
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = tuple(pow(3, power, 31) for power in range(17))


def luhn(digits: str) -> bool:
    """The sum of the digits, every second one from the right doubled and its digits added, is a multiple of 10.

    One random number in 10 passes. ISO/IEC 7812-1, annex B; Luhn, US patent 2,950,048 (1960).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    return digits.isascii() and digits.isdigit() and sum(
        _LUHN[digit][place % 2] for place, digit in enumerate(reversed(digits))
    ) % 10 == 0  # fmt: skip


def mod_97(account: str) -> bool:
    """The first four characters put last, letters read as 10 to 35: the number leaves 1 when divided by 97.

    One random account in 97 passes. ISO 13616-1 (IBAN) and ISO/IEC 7064.

    >>> mod_97("GB82WEST12345698765432"), mod_97("GB82WEST12345698765433")
    (True, False)
    """
    if not (account.isascii() and account.isalnum()) or len(account) > 34:
        return False
    turned = account[4:] + account[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def mod_11_2(number: str) -> bool:
    """17 digits and a check character: the sum of digit times 2**place leaves 1 when divided by 11; X counts as 10.

    One random number in 11 passes. GB 11643-1999 by ISO/IEC 7064, MOD 11-2.

    >>> mod_11_2("11010519491231002X"), mod_11_2("110105194912310021")
    (True, False)
    """
    if len(number) != 18 or not (number.isascii() and number[:17].isdigit() and number[17] in "0123456789Xx"):
        return False
    values = [10 if character in "Xx" else int(character) for character in number]
    return sum(value * weight for value, weight in zip(values, _RESIDENT_WEIGHTS, strict=True)) % 11 == 1


def mod_31(code: str) -> bool:
    """18 characters of an alphabet of 31 (no I, O, S, V, Z): 31 less the weighted sum, modulo 31, is the last.

    Weights 3**place modulo 31. One random code in 31 passes. GB 32100-2015.

    >>> mod_31("91350100M000100Y43"), mod_31("91350100M000100Y44")
    (True, False)
    """
    if len(code) != 18 or any(character not in _CREDIT_ALPHABET for character in code):
        return False
    values = [_CREDIT_ALPHABET.index(character) for character in code]
    total = sum(value * weight for value, weight in zip(values[:17], _CREDIT_WEIGHTS, strict=True))
    return (31 - total % 31) % 31 == values[17]
