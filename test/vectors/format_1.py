"""Format 1 in Python, written from docs/format.md alone: a second implementation.

Needs only the package `cryptography` (Debian: python3-cryptography). Nothing here is fast, constant
time or meant for use: it exists to disagree with the library where the library is wrong.
"""

import base64
import hashlib
import hmac
import re
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from values_1 import decode_value

ROW_BOUND, PADDED, SUBJECT_KEY, PROVIDER_WRAPPED = 1, 2, 4, 8
MAX_CIPHERTEXT = 64 * 1024 * 1024


class Refused(Exception):
    """Raised with the code that the format's reader must give."""


FAILED = "ERR_DECRYPTION_FAILED"


def lp(part):
    part = part.encode() if isinstance(part, str) else bytes(part)
    return struct.pack(">I", len(part)) + part


def encode(*parts):
    return b"".join(lp(part) for part in parts)


def kdf(key, *parts):
    assert len(key) == 32
    return hmac.new(key, encode(*parts) + b"\x01", hashlib.sha256).digest()


def key_wrap(wrapping_key, key):
    assert len(key) == 32
    return keywrap.aes_key_wrap(wrapping_key, key)


def key_unwrap(wrapping_key, wrapped):
    """32 bytes, or None."""
    if len(wrapped) != 40:
        return None
    try:
        return keywrap.aes_key_unwrap(wrapping_key, wrapped)
    except keywrap.InvalidUnwrap:
        return None


class Key:
    """A row of keys.json with what follows from its KEK."""

    def __init__(self, row):
        self.id = bytes.fromhex(row["id"])
        self.domain, self.purpose, self.state = row["domain"], row["purpose"], row["state"]
        self.version = struct.pack(">I", row["version"])
        self.kek = bytes.fromhex(row["kek"])

    def in_app_wrap(self, root_secret):
        context = ("kek", self.domain, self.purpose, self.id, self.version)
        return key_wrap(kdf(root_secret, "mortise/1/root-wrap", *context), self.kek)

    def kcv(self):
        return kdf(self.kek, "mortise/1/kcv", self.domain, self.purpose, self.id, self.version)

    def dek_wrap_key(self):
        return kdf(self.kek, "mortise/1/dek-wrap", self.domain, "data", self.id)


def record_key(dek, domain):
    """Encryption key and commitment."""
    okm = hmac.new(dek, encode("mortise/1/record", domain) + b"\x01", hashlib.sha512).digest()
    return okm[:32], okm[32:]


def field_iv(domain, field_id):
    return hashlib.sha256(encode("mortise/1/iv", domain, field_id)).digest()[:12]


def row_id(row):
    if row["kind"] == "uuid":
        return b"\x10" + bytes.fromhex(row["value"].replace("-", ""))
    tag = {"integer": b"\x03", "text": b"\x01"}[row["kind"]]
    return tag + row["value"].encode()


def additional_data(flags, field, row):
    data = bytes([flags & 3]) + lp(field["domain"]) + lp(field["fieldId"])
    return data + lp(row_id(row)) if flags & ROW_BOUND else data


def add_padding(encoded, step):
    content = struct.pack(">I", len(encoded)) + encoded
    return content + bytes(-len(content) % step)


def remove_padding(plaintext):
    if len(plaintext) < 4:
        raise Refused(FAILED)
    end = 4 + struct.unpack(">I", plaintext[:4])[0]
    if end > len(plaintext) or any(plaintext[end:]):
        raise Refused(FAILED)
    return plaintext[4:end]


class Envelope:
    """Step 1: every length and flag, before any key is looked for."""

    def __init__(self, data):
        if len(data) < 1 or data[0] >> 4 != 0xE:
            raise Refused("ERR_ENVELOPE_MALFORMED")
        if data[0] != 0xE1:
            raise Refused("ERR_ENVELOPE_VERSION")
        if len(data) < 2 or data[1] & 0xF0 or data[1] & 0x0C == 0x0C:
            raise Refused("ERR_ENVELOPE_MALFORMED")
        self.flags, self.key_id = data[1], data[2:10]
        start, length = 10, 40
        if self.flags & PROVIDER_WRAPPED:
            if len(data) < 12:
                raise Refused("ERR_ENVELOPE_MALFORMED")
            start, length = 12, struct.unpack(">H", data[10:12])[0]
            if not 1 <= length <= 1024:
                raise Refused("ERR_ENVELOPE_MALFORMED")
        end = start + length
        if not 1 <= len(data) - end - 32 - 16 <= MAX_CIPHERTEXT:
            raise Refused("ERR_ENVELOPE_MALFORMED")
        self.wrapped_dek, self.commitment = data[start:end], data[end : end + 32]
        self.sealed = data[end + 32 :]


def opening_key(keys, key_id, domain):
    """Step 3."""
    key = keys.get(key_id)
    if key is None or key.purpose != "data" or key.domain != domain:
        raise Refused("ERR_KEY_NOT_FOUND")
    if key.state not in ("active", "decrypt-only"):
        raise Refused("ERR_KEY_STATE")
    return key


def unwrap_dek(key, envelope):
    """Steps 4 and 5."""
    dek = key_unwrap(key.dek_wrap_key(), envelope.wrapped_dek)
    if dek is None:
        raise Refused(FAILED)
    if not hmac.compare_digest(record_key(dek, key.domain)[1], envelope.commitment):
        raise Refused(FAILED)
    return dek


def open_envelope(keys, data, field, row):
    """T and the value in its vector form."""
    envelope = Envelope(data)
    flags = envelope.flags
    if flags & (SUBJECT_KEY | PROVIDER_WRAPPED) or bool(flags & ROW_BOUND) != field["rowBound"]:
        raise Refused("ERR_ENVELOPE_FLAGS")
    key = opening_key(keys, envelope.key_id, field["domain"])
    encryption_key = record_key(unwrap_dek(key, envelope), key.domain)[0]
    try:
        plaintext = AESGCM(encryption_key).decrypt(
            field_iv(field["domain"], field["fieldId"]),
            envelope.sealed,
            additional_data(flags, field, row),
        )
    except InvalidTag:
        raise Refused(FAILED) from None
    encoded = remove_padding(plaintext) if flags & PADDED else plaintext
    try:
        return encoded, decode_value(field["type"], encoded)
    except ValueError:
        raise Refused(FAILED) from None


def seal_envelope(key, dek, field, row, plaintext):
    flags = ROW_BOUND * field["rowBound"] | PADDED * (field["pad"] is not None)
    encryption_key, commitment = record_key(dek, field["domain"])
    sealed = AESGCM(encryption_key).encrypt(
        field_iv(field["domain"], field["fieldId"]), plaintext, additional_data(flags, field, row)
    )
    head = bytes([0xE1, flags]) + key.id + key_wrap(key.dek_wrap_key(), dek)
    return head + commitment + sealed


def rewrap_envelope(data, old, new):
    envelope = Envelope(data)
    if envelope.flags & (SUBJECT_KEY | PROVIDER_WRAPPED):
        raise Refused("ERR_ENVELOPE_FLAGS")
    if envelope.key_id == new.id:
        return data
    if envelope.key_id != old.id or old.domain != new.domain:
        raise Refused("ERR_KEY_NOT_FOUND")
    dek = unwrap_dek(old, envelope)
    return data[:2] + new.id + key_wrap(new.dek_wrap_key(), dek) + data[50:]


def to_text(data):
    return "mrt1." + base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_text(text):
    if not text.startswith("mrt1."):
        other = re.match(r"mrt[0-9]+\.", text)
        raise Refused("ERR_ENVELOPE_VERSION" if other else "ERR_ENVELOPE_MALFORMED")
    body = text[5:]
    if not re.fullmatch(r"[A-Za-z0-9_-]*", body) or len(body) % 4 == 1:
        raise Refused("ERR_ENVELOPE_MALFORMED")
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    if to_text(data) != text:
        raise Refused("ERR_ENVELOPE_MALFORMED")
    return data
