"""Exact tokens and range buckets of format 1, written from docs/format.md and the vectors' text."""

import hashlib
import hmac
import math
import re
import struct
import unicodedata

from keys_1 import Refused, kdf
from values_1 import encode_value, is_calendar_date, js_number, js_string

ISO = re.compile(r"([+-][0-9]{6}|[0-9]{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)
OLDEST_YEAR = -4712  # PostgreSQL's timestamptz begins in 4713 BC; year 0 is 1 BC


def parse_instant(text):
    return tuple(map(int, ISO.fullmatch(text).groups()))


def milliseconds(text):
    """Since 1970, on the proleptic Gregorian calendar."""
    year, month, day, hour, minute, second, fraction = parse_instant(text)
    year -= month <= 2
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719468
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction


def is_host_character(char):
    category = unicodedata.category(char)
    return char in "-." or category[0] in "LM" or category == "Nd"


def email(text):
    text = unicodedata.normalize("NFC", text.strip()).lower()
    local, at, domain = text.rpartition("@")
    if not at or domain.isascii():
        return text
    if not all(is_host_character(char) for char in domain):
        return text
    try:
        ascii_domain = domain.encode("idna")
        ascii_domain.decode("idna")  # refuses labels that are "xn--" without being Punycode
    except UnicodeError:
        raise Refused("ERR_VALUE_INVALID") from None
    return f"{local}@{ascii_domain.decode()}"


NORMALISERS = {
    "": lambda text: text,
    "email@1": email,
    "lowercase@1": str.lower,
    "trim@1": str.strip,
    "nfc@1": lambda text: unicodedata.normalize("NFC", text),
    "digits@1": lambda text: re.sub(r"[^0-9]", "", text),
}


def encode_for_token(kind, value, normaliser, given=None):
    """T; an application's own normaliser is known by its result (`given`) only."""
    if kind == "string":
        value = NORMALISERS.get(normaliser, lambda _: given)(value)
    if kind == "timestamp":
        value = milliseconds(value)
    if kind == "number" and value == "-0":
        value = "0"
    try:
        return encode_value(kind, value)
    except ValueError:
        raise Refused("ERR_VALUE_INVALID") from None


def token_of(vector, encoded):
    bits, generation = vector["bits"], vector["generation"]
    key = kdf(
        bytes.fromhex(vector["indexKek"]),
        "mortise/1/index",
        vector["domain"],
        vector["kind"],
        vector["name"],
        "exact",
        vector["normaliser"],
        struct.pack(">I", bits),
        bytes([generation]),
    )
    token = bytearray(hmac.new(key, encoded, hashlib.sha256).digest()[: (bits + 7) // 8])
    token[-1] &= 0xFF << (-bits % 8) & 0xFF
    return bytes([generation]) + bytes(token)


def timestamp_text(year, rest):
    return f"{year:04d}{rest}" if year > 0 else f"{1 - year:04d}{rest} BC"


def truncate(kind, unit, value):
    if kind == "date":
        if not is_calendar_date(value):
            raise Refused("ERR_VALUE_INVALID")
        return {"year": value[:4] + "-01-01", "month": value[:7] + "-01", "day": value}[unit]
    year, month, day, hour = parse_instant(value)[:4]
    if year < OLDEST_YEAR:
        raise Refused("ERR_VALUE_INVALID")
    depth = ["year", "month", "day", "hour"].index(unit)
    month, day = (month if depth > 0 else 1), (day if depth > 1 else 1)
    hour = hour if depth > 2 else 0
    return timestamp_text(year, f"-{month:02d}-{day:02d} {hour:02d}:00:00+00")


def floor_multiple(value, step):
    quotient = value / step
    return js_number((math.floor(quotient) if math.isfinite(quotient) else quotient) * step)


def order_key(kind, value):
    """Strings are compared by code point, which is how Python compares them."""
    convert = {"number": float, "bigint": int, "timestamp": milliseconds}
    return convert.get(kind, str)(value)


def prefix(length, value):
    text = value[:length]
    if "\0" in text:
        raise Refused("ERR_VALUE_INVALID")
    return text


ALLOWED = {
    "step": ("number", "bigint"),
    "decimals": ("number",),
    "truncate": ("date", "timestamp"),
    "edges": ("number", "bigint", "date", "timestamp", "string"),
    "prefix": ("string",),
}


def check_declaration(kind, name, option):
    if kind not in ALLOWED[name] or (kind, option) == ("date", "hour"):
        raise Refused("ERR_FIELD_INVALID")
    if name == "edges":
        keys = [order_key(kind, edge) for edge in option]
        if any(a >= b for a, b in zip(keys, keys[1:])):
            raise Refused("ERR_FIELD_INVALID")


def bucket_of(kind, range_, value):
    [(name, option)] = range_.items()
    check_declaration(kind, name, option)
    if name == "truncate":
        return truncate(kind, option, value)
    if name == "prefix":
        return prefix(option, value)
    if name == "edges":
        position = order_key(kind, value)
        return str(sum(order_key(kind, edge) <= position for edge in option))
    if kind == "bigint":
        return str(int(value) // int(option) * int(option))
    if name == "step":
        return floor_multiple(float(value), float(option))
    scale = 10.0**option
    return js_number(math.floor(float(value) * scale) / scale)


def parameters(range_):
    [(name, option)] = range_.items()
    if name != "edges":
        return f"{name}:{js_number(option) if isinstance(option, float) else option}"

    def text(edge):
        return js_string(edge) if isinstance(edge, str) else js_number(float(edge))

    return f"edges:[{','.join(map(text, option))}]"
