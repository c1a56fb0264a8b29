"""The eight value types of format 1: T <-> the vector form described in envelopes.json."""

import json
import math
import re
import struct
import zlib

TYPE_BYTES = {
    "string": 1,
    "number": 2,
    "bigint": 3,
    "boolean": 4,
    "timestamp": 5,
    "date": 6,
    "bytes": 7,
    "json": 8,
}
MAX_DATE_MS = 8_640_000_000_000_000
MAX_INFLATED_BYTES = 64 * 1024 * 1024
INT64 = range(-(2**63), 2**63)


def js_number(value):
    """ECMA-262 Number::toString: Python's shortest digits, laid out as JavaScript does."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    head = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{sign}{head}e{'+' if point > 0 else '-'}{abs(point - 1)}"


SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def js_string(text):
    def escape(char):
        if char in SHORT:
            return SHORT[char]
        code = ord(char)
        return f"\\u{code:04x}" if code < 0x20 or 0xD800 <= code < 0xE000 else char

    return '"' + "".join(map(escape, text)) + '"'


def is_array_index(key):
    return re.fullmatch(r"0|[1-9][0-9]*", key) is not None and int(key) < 2**32 - 1


def js_stringify(value):
    """JSON.stringify of what JSON.parse gives: array indices come first, in ascending order."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return js_number(value) if math.isfinite(value) else "null"
    if isinstance(value, str):
        return js_string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(js_stringify, value)) + "]"
    indices = sorted(filter(is_array_index, value), key=int)
    names = indices + [key for key in value if not is_array_index(key)]
    return "{" + ",".join(f"{js_string(key)}:{js_stringify(value[key])}" for key in names) + "}"


def parse_json(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_int=float, parse_constant=refuse)


def is_calendar_date(text):
    match = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return year >= 1 and 1 <= month <= 12 and 1 <= day <= days[month - 1]


def require(condition):
    if not condition:
        raise ValueError("not canonical")


def decode_value(kind, encoded):
    """The value in vector form; ValueError for another type or any form but the canonical one."""
    require(len(encoded) > 0 and encoded[0] == TYPE_BYTES[kind])
    data = encoded[1:]
    if kind == "bytes":
        return data.hex()
    if kind == "boolean":
        require(data in (b"\x00", b"\x01"))
        return data == b"\x01"
    if kind == "number":
        require(len(data) == 8)
        value = struct.unpack(">d", data)[0]
        require(math.isfinite(value))
        return "-0" if value == 0 and data[0] else js_number(value)
    if kind == "timestamp":
        require(len(data) == 8)
        value = struct.unpack(">q", data)[0]
        require(abs(value) <= MAX_DATE_MS)
        return value
    text = data.decode("utf-8")
    if kind == "bigint":
        require(re.fullmatch(r"0|-?[1-9][0-9]*", text) is not None)
    if kind == "date":
        require(is_calendar_date(text))
    if kind == "json":
        value = parse_json(text)
        require(value is not None and js_stringify(value) == text)
    return text


def decompress(kind, content):
    """T of the value that a compressed field holds; ValueError for any other content."""
    require(len(content) > 0)
    if content[0] == TYPE_BYTES[kind]:
        return content
    require(content[0] == TYPE_BYTES["bytes"] and content[1:2] in (b"\x00", b"\x01"))
    data = content[2:]
    if content[1] == 1:
        stream = zlib.decompressobj(wbits=-15)
        try:
            data = stream.decompress(data, MAX_INFLATED_BYTES)
        except zlib.error:
            raise ValueError("no deflate stream") from None
        require(stream.eof and not stream.unused_data)
    return bytes([TYPE_BYTES[kind]]) + data


def encode_value(kind, value):
    """T for a value in vector form; ValueError where the type cannot hold it."""
    if kind == "bytes":
        data = bytes.fromhex(value)
    elif kind == "boolean":
        data = b"\x01" if value else b"\x00"
    elif kind == "number":
        data = struct.pack(">d", float(value))
    elif kind == "timestamp":
        require(value in INT64)
        data = struct.pack(">q", value)
    else:
        data = value.encode("utf-8")
    encoded = bytes([TYPE_BYTES[kind]]) + data
    require(decode_value(kind, encoded) == value)
    return encoded
