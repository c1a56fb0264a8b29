#!/usr/bin/python3
"""Checks every vector with the second implementation; exit code 0 only if all hold.

    /usr/bin/python3 test/vectors/verify.py
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # leaves no __pycache__ in the working tree

from format_1 import (
    Envelope,
    Key,
    Refused,
    add_padding,
    additional_data,
    field_iv,
    from_text,
    key_wrap,
    open_envelope,
    record_key,
    rewrap_envelope,
    row_id,
    seal_envelope,
    to_text,
)
from indexes_1 import bucket_of, encode_for_token, parameters, token_of
from values_1 import encode_value

HERE = Path(__file__).parent
# A file that lost its cases must not pass by having none.
AT_LEAST = {
    "keys.json": 10,
    "envelopes.json": 50,
    "rewraps.json": 4,
    "must-fail.json": 300,
    "tokens.json": 40,
    "buckets.json": 60,
}


def load(name):
    return json.loads((HERE / name).read_text("utf-8"))


KEY_FILE = load("keys.json")
KEYS = {bytes.fromhex(row["id"]): Key(row) for row in KEY_FILE["keys"]}


def same(actual, expected):
    actual = actual.hex() if isinstance(actual, bytes) else actual
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"expected {expected!r:.200}, got {actual!r:.200}")


def refused(code, attempt):
    try:
        attempt()
    except Refused as refusal:
        return same(str(refusal), code)
    raise AssertionError(f"expected {code}, but it was accepted")


def key_row(row):
    key = Key(row)
    same(key.in_app_wrap(bytes.fromhex(KEY_FILE["rootSecret"])), row["inAppWrap"])
    same(key.kcv(), row["kcv"])
    if key.purpose == "data":
        same(key.dek_wrap_key(), row["dekWrapKey"])


def record(vector):
    key, dek = KEYS[bytes.fromhex(vector["keyId"])], bytes.fromhex(vector["dek"])
    encryption_key, commitment = record_key(dek, key.domain)
    same(key_wrap(key.dek_wrap_key(), dek), vector["wrappedDek"])
    same(encryption_key, vector["encryptionKey"])
    same(commitment, vector["commitment"])


def opened(vector):
    field, row, data = vector["field"], vector["row"], bytes.fromhex(vector["envelope"])
    encoded, value = open_envelope(KEYS, data, field, row)
    plaintext = encoded if field["pad"] is None else add_padding(encoded, field["pad"])
    key, dek = KEYS[bytes.fromhex(vector["keyId"])], bytes.fromhex(vector["dek"])
    same(value, vector["value"])
    same(encoded, vector["encoded"])
    same(encode_value(field["type"], value), vector["encoded"])
    same(plaintext, vector["plaintext"])
    same(None if row is None else row_id(row), vector["rowId"])
    same(additional_data(data[1], field, row), vector["aad"])
    same(to_text(data), vector["text"])
    same(from_text(vector["text"]), vector["envelope"])
    same(seal_envelope(key, dek, field, row, plaintext), vector["envelope"])


def reserved(vector):
    data = bytes.fromhex(vector["envelope"])
    envelope = Envelope(data)
    same(envelope.flags, vector["flags"])
    same(envelope.key_id, vector["keyId"])
    same(len(envelope.wrapped_dek), vector["wrappedDekBytes"])
    same(envelope.commitment, vector["commitment"])
    same(len(envelope.sealed) - 16, vector["ciphertextBytes"])
    field = {"domain": "default", "fieldId": "person.string", "type": "string"}
    field["rowBound"] = bool(envelope.flags & 1)
    refused("ERR_ENVELOPE_FLAGS", lambda: open_envelope(KEYS, data, field, None))


def rewrap(vector):
    data, old, new = (bytes.fromhex(vector[name]) for name in ("envelope", "from", "to"))
    return rewrap_envelope(data, KEYS[old], KEYS[new])


def token(vector):
    given = vector.get("normalised")
    encoded = encode_for_token(vector["type"], vector["input"], vector["normaliser"], given)
    same(encoded, vector["encodedHex"])
    if given is not None:
        same(encode_value("string", given), vector["encodedHex"])
    same(token_of(vector, encoded), vector["tokenHex"])


def bucket(vector):
    same(bucket_of(vector["type"], vector["range"], vector["input"]), vector["bucket"])
    same(parameters(vector["range"]), vector["parameters"])


def checks():
    """Yields (file, name, check); each check is to be called before the next is asked for."""
    for row in KEY_FILE["keys"]:
        name = f"{row['domain']} {row['purpose']} {row['version']}"
        yield "keys.json", name, lambda: key_row(row)
    for vector in KEY_FILE["records"]:
        yield "keys.json", f"record of {vector['keyId']}", lambda: record(vector)
    for vector in KEY_FILE["fieldIvs"]:
        iv = lambda: same(field_iv(vector["domain"], vector["fieldId"]), vector["iv"])
        yield "keys.json", f"IV of {vector['fieldId']}", iv
    envelopes = load("envelopes.json")
    for vector in envelopes["open"]:
        yield "envelopes.json", vector["name"], lambda: opened(vector)
    for vector in envelopes["reserved"]:
        yield "envelopes.json", vector["name"], lambda: reserved(vector)
    for vector in load("rewraps.json")["rewraps"]:
        yield "rewraps.json", vector["name"], lambda: same(rewrap(vector), vector["rewrapped"])
    yield from must_fail(load("must-fail.json"))
    yield from index_checks()


def must_fail(file):
    for vector in file["open"]:
        data = bytes.fromhex(vector["envelope"])
        attempt = lambda: open_envelope(KEYS, data, vector["field"], vector["row"])
        yield "must-fail.json", vector["name"], lambda: refused(vector["code"], attempt)
    for vector in file["text"]:
        attempt = lambda: Envelope(from_text(vector["text"]))
        yield "must-fail.json", vector["name"], lambda: refused(vector["code"], attempt)
    for vector in file["rewrap"]:
        attempt = lambda: rewrap(vector)
        yield "must-fail.json", vector["name"], lambda: refused(vector["code"], attempt)


def index_checks():
    tokens, buckets = load("tokens.json"), load("buckets.json")
    for vector in tokens["vectors"]:
        name = f"{vector['type']} {vector['normaliser']} {vector['input']!r:.40}"
        yield "tokens.json", name, lambda: token(vector)
    for vector in tokens["mustFail"]:
        kind, value, normaliser = vector["type"], vector["input"], vector["normaliser"]
        attempt = lambda: encode_for_token(kind, value, normaliser)
        yield "tokens.json", f"{kind} {value!r:.40}", lambda: refused(vector["error"], attempt)
    for vector in buckets["vectors"]:
        name = f"{vector['parameters']} {vector['input']!r:.40}"
        yield "buckets.json", name, lambda: bucket(vector)
    for vector in buckets["mustFail"]:
        attempt = lambda: bucket_of(vector["type"], vector["range"], vector["input"])
        name = f"{vector['range']} {vector['input']!r:.40}"
        yield "buckets.json", name, lambda: refused(vector["error"], attempt)


def main():
    passed, failed = 0, 0
    counts = dict.fromkeys(AT_LEAST, 0)
    for file, name, check in checks():
        counts[file] += 1
        try:
            check()
            passed += 1
        except Exception as problem:  # noqa: BLE001 - any exception is a failed vector
            failed += 1
            print(f"FAILED {file}: {name}: {type(problem).__name__}: {problem}")
    for file, least in AT_LEAST.items():
        if counts[file] < least:
            failed += 1
            print(f"FAILED {file}: {counts[file]} cases, expected at least {least}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
