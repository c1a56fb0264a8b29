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
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys_1 import Refused, encode, key_unwrap, key_wrap, lp
from values_1 import decode_value, decompress

ROW_BOUND, PADDED, SUBJECT_KEY, PROVIDER_WRAPPED = 1, 2, 4, 8
MAX_CIPHERTEXT = 64 * 1024 * 1024


FAILED = "ERR_DECRYPTION_FAILED"


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


class Keyring:
    """What a reader has: data keys and subject keys by id, and what providers unwrap."""

    def __init__(self, data, subject, destroyed, provider):
        self.data, self.subject, self.destroyed = data, subject, destroyed
        self.provider, self.unwraps = provider, {}

    def find(self, envelope, domain):
        """Step 3."""
        if envelope.flags & SUBJECT_KEY and envelope.key_id in self.destroyed:
            raise Refused("ERR_SUBJECT_SHREDDED")
        keys = {SUBJECT_KEY: self.subject, PROVIDER_WRAPPED: self.provider, 0: self.data}
        key = keys[envelope.flags & (SUBJECT_KEY | PROVIDER_WRAPPED)].get(envelope.key_id)
        if key is None or key.purpose != "data" or key.domain != domain:
            raise Refused("ERR_KEY_NOT_FOUND")
        if key.state not in ("active", "decrypt-only"):
            raise Refused("ERR_KEY_STATE")
        return key

    def unwrap(self, key, envelope):
        """Steps 4 and 5."""
        if envelope.flags & PROVIDER_WRAPPED:
            dek = self.unwraps.get((envelope.key_id, envelope.wrapped_dek))
        else:
            dek = key_unwrap(key.dek_wrap_key(), envelope.wrapped_dek)
        if dek is None or len(dek) != 32:
            raise Refused(FAILED)
        if not hmac.compare_digest(record_key(dek, key.domain)[1], envelope.commitment):
            raise Refused(FAILED)
        return dek


class ProviderKey:
    """A row of provider-keys.json: no key material."""

    def __init__(self, row):
        self.id = bytes.fromhex(row["id"])
        self.domain, self.purpose, self.state = row["domain"], row["purpose"], row["state"]


def check_flags(flags, field, row, ref):
    """Step 2."""
    wants_subject = field.get("subject", False)
    if bool(flags & ROW_BOUND) != field["rowBound"] or bool(flags & SUBJECT_KEY) != wants_subject:
        raise Refused("ERR_ENVELOPE_FLAGS")
    if (field["rowBound"] and row is None) or (wants_subject and ref is None):
        raise Refused("ERR_ROW_UNKNOWN")


def open_envelope(keyring, data, field, row, ref=None):
    """T and the value in its vector form; `ref` is the subject_ref of the row's subject."""
    envelope = Envelope(data)
    flags = envelope.flags
    check_flags(flags, field, row, ref)
    key = keyring.find(envelope, field["domain"])
    encryption_key = record_key(keyring.unwrap(key, envelope), key.domain)[0]
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
        if field.get("compressed", False):
            encoded = decompress(field["type"], encoded)
        value = decode_value(field["type"], encoded)
    except ValueError:
        raise Refused(FAILED) from None
    if flags & SUBJECT_KEY and not hmac.compare_digest(key.ref, ref):
        raise Refused(FAILED)
    return encoded, value


def key_block(kind, key, dek, wrapped_dek):
    """Key id and wrapped DEK; a provider's answer is given."""
    if kind & PROVIDER_WRAPPED:
        return key.id + struct.pack(">H", len(wrapped_dek)) + wrapped_dek
    return key.id + key_wrap(key.dek_wrap_key(), dek)


def seal_envelope(kind, key, dek, field, row, plaintext, wrapped_dek=None):
    """`kind` is 0, SUBJECT_KEY or PROVIDER_WRAPPED."""
    flags = kind | ROW_BOUND * field["rowBound"] | PADDED * (field["pad"] is not None)
    encryption_key, commitment = record_key(dek, field["domain"])
    sealed = AESGCM(encryption_key).encrypt(
        field_iv(field["domain"], field["fieldId"]), plaintext, additional_data(flags, field, row)
    )
    head = bytes([0xE1, flags]) + key_block(kind, key, dek, wrapped_dek)
    return head + commitment + sealed


def rewrap_envelope(keyring, data, old, new, wrapped_dek=None):
    """`wrapped_dek` is the answer of the new key's provider, None where that key is local."""
    envelope = Envelope(data)
    kinds = {True: PROVIDER_WRAPPED, False: 0}
    source, target = (kinds[isinstance(key, ProviderKey)] for key in (old, new))
    kind = envelope.flags & (SUBJECT_KEY | PROVIDER_WRAPPED)
    if kind == target and envelope.key_id == new.id:
        return data
    if kind != source:
        raise Refused("ERR_ENVELOPE_FLAGS")
    if envelope.key_id != old.id or old.domain != new.domain:
        raise Refused("ERR_KEY_NOT_FOUND")
    block = key_block(target, new, keyring.unwrap(old, envelope), wrapped_dek)
    flags = envelope.flags & (ROW_BOUND | PADDED) | target
    return bytes([0xE1, flags]) + block + envelope.commitment + envelope.sealed


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
