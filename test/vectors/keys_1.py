"""Keys of format 1 in Python: wraps by each provider, subject keys and their subject_refs."""

import hashlib
import hmac
import re
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Refused(Exception):
    """Raised with the code that the format's reader must give."""


INTEGRITY = "ERR_KEY_INTEGRITY"


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


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def subject_id(kind, text):
    """The text that an id stands for; integers are given as their decimal text."""
    if kind == "integer":
        return str(int(text))
    return text.lower() if UUID.fullmatch(text) else text


def subject_index_key(index_kek, domain, generation):
    parts = (domain, "subject", "", "exact", "", struct.pack(">I", 128), bytes([generation]))
    return kdf(index_kek, "mortise/1/index", *parts)


def subject_ref(index_key, generation, subject):
    token = hmac.new(index_key, b"\x01" + subject.encode(), hashlib.sha256).digest()
    return bytes([generation]) + token[:16]


def subject_wrap_key(kek, domain, key_id, ref):
    return kdf(kek, "mortise/1/subject-wrap", domain, key_id, ref)


class SubjectKey:
    """A subject key, opened from its row of the key store and the KEKs."""

    purpose, state = "data", "active"

    def __init__(self, row, keks):
        self.id, self.domain = bytes.fromhex(row["id"]), row["domain"]
        self.ref = bytes.fromhex(row["subjectRef"])
        kek = keks[bytes.fromhex(row["kekId"])].kek
        wrapping_key = subject_wrap_key(kek, self.domain, self.id, self.ref)
        self.key = key_unwrap(wrapping_key, bytes.fromhex(row["wrapped"]))
        if self.key is None:
            raise Refused(INTEGRITY)

    def wrapped_under(self, kek):
        return key_wrap(subject_wrap_key(kek, self.domain, self.id, self.ref), self.key)

    def dek_wrap_key(self):
        return kdf(self.key, "mortise/1/dek-wrap", self.domain, "subject", self.id)


def context(row):
    """C as PKCS#11 wraps bind it."""
    identity = (row["domain"], row["purpose"], bytes.fromhex(row["id"]))
    version = struct.pack(">I", row["version"])
    return encode("mortise/1/context", row["use"], *identity, version)


def hsm_wrap(root_key, bound, key, iv):
    """By AES key wrap, or by AES-GCM where an IV is given."""
    if iv is None:
        return keywrap.aes_key_wrap(root_key, key + hashlib.sha256(bound).digest())
    return iv + AESGCM(root_key).encrypt(iv, key, bound)


def hsm_unwrap(root_key, bound, wrapped):
    try:
        if len(wrapped) == 60:
            return AESGCM(root_key).decrypt(wrapped[:12], wrapped[12:], bound)
        if len(wrapped) != 72:
            raise Refused(INTEGRITY)
        opened = keywrap.aes_key_unwrap(root_key, wrapped)
    except (InvalidTag, keywrap.InvalidUnwrap):
        raise Refused(INTEGRITY) from None
    if not hmac.compare_digest(opened[32:], hashlib.sha256(bound).digest()):
        raise Refused(INTEGRITY)
    return opened[:32]


def kms_context(row):
    names = ("use", "domain", "purpose", "id")
    pairs = {name: row[name] for name in names}
    return {"mortise": "1", **pairs, "version": str(row["version"])}
