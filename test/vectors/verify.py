#!/usr/bin/python3
"""Checks every vector with the second implementation; exit code 0 only if all hold.

    /usr/bin/python3 test/vectors/verify.py
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # leaves no __pycache__ in the working tree

from format_1 import (
    PROVIDER_WRAPPED,
    SUBJECT_KEY,
    Envelope,
    Keyring,
    ProviderKey,
    add_padding,
    additional_data,
    field_iv,
    from_text,
    open_envelope,
    record_key,
    rewrap_envelope,
    row_id,
    seal_envelope,
    to_text,
)
from indexes_1 import bucket_of, encode_for_token, parameters, token_of
from keys_1 import (
    Key,
    Refused,
    SubjectKey,
    context,
    hsm_unwrap,
    hsm_wrap,
    key_wrap,
    kms_context,
    subject_id,
    subject_index_key,
    subject_ref,
)
from values_1 import encode_value

HERE = Path(__file__).parent
# A file that lost its cases must not pass by having none.
AT_LEAST = {
    "keys.json": 10,
    "subject-keys.json": 30,
    "provider-keys.json": 30,
    "envelopes.json": 80,
    "rewraps.json": 10,
    "must-fail.json": 800,
    "compressed.json": 30,
    "tokens.json": 40,
    "buckets.json": 60,
}


def load(name):
    return json.loads((HERE / name).read_text("utf-8"))


KEY_FILE = load("keys.json")
KEYS = {bytes.fromhex(row["id"]): Key(row) for row in KEY_FILE["keys"]}
SUBJECT_FILE, PROVIDER_FILE = load("subject-keys.json"), load("provider-keys.json")
SUBJECT_KEYS = {bytes.fromhex(row["id"]): SubjectKey(row, KEYS) for row in SUBJECT_FILE["keys"]}
DESTROYED = {bytes.fromhex(row["id"]) for row in SUBJECT_FILE["keys"] if row["state"] != "live"}
PROVIDER_KEYS = {bytes.fromhex(row["id"]): ProviderKey(row) for row in PROVIDER_FILE["keys"]}


def keyring(unwraps=()):
    """All keys; `unwraps` is all that providers unwrap."""
    made = Keyring(KEYS, SUBJECT_KEYS, DESTROYED, PROVIDER_KEYS)
    for entry in unwraps:
        key_id, blob, dek = (bytes.fromhex(entry[name]) for name in ("keyId", "wrappedDek", "dek"))
        made.unwraps[key_id, blob] = dek
    return made


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
    unwraps = [vector] if "wrappedDek" in vector else []
    encoded, value = open_envelope(keyring(unwraps), data, field, row, optional(vector, "subjectRef"))
    content = bytes.fromhex(vector["content"]) if "content" in vector else encoded
    plaintext = content if field["pad"] is None else add_padding(content, field["pad"])
    same(value, vector["value"])
    same(encoded, vector["encoded"])
    same(encode_value(field["type"], value), vector["encoded"])
    same(plaintext, vector["plaintext"])
    same(None if row is None else row_id(row), vector["rowId"])
    same(additional_data(data[1], field, row), vector["aad"])
    same(to_text(data), vector["text"])
    same(from_text(vector["text"]), vector["envelope"])
    kind, keys = kind_of(vector)
    key, dek = keys[bytes.fromhex(vector["keyId"])], bytes.fromhex(vector["dek"])
    wrapped_dek = optional(vector, "wrappedDek")
    same(seal_envelope(kind, key, dek, field, row, plaintext, wrapped_dek), vector["envelope"])


def kind_of(vector):
    if "subjectRef" in vector:
        return SUBJECT_KEY, SUBJECT_KEYS
    return (PROVIDER_WRAPPED, PROVIDER_KEYS) if "wrappedDek" in vector else (0, KEYS)


def optional(vector, name):
    text = vector.get(name)
    return None if text is None else bytes.fromhex(text)


def any_key(key_id):
    return KEYS.get(key_id) or PROVIDER_KEYS[key_id]


def rewrap(vector, unwraps=()):
    data, old, new = (bytes.fromhex(vector[name]) for name in ("envelope", "from", "to"))
    answer = optional(vector, "toWrap")
    return rewrap_envelope(keyring(unwraps), data, any_key(old), any_key(new), answer)


def provider_rewrap(vector):
    if vector["fromWrap"] is None:
        return rewrap(vector)
    names = {"keyId": vector["from"], "wrappedDek": vector["fromWrap"], "dek": vector["dek"]}
    return rewrap(vector, [names])


def subject_reference(vector):
    key = subject_index_key(
        bytes.fromhex(vector["indexKek"]), vector["domain"], vector["generation"]
    )
    same(key, vector["indexKey"])
    same(b"\x01" + vector["subject"].encode(), vector["encoded"])
    same(subject_ref(key, vector["generation"], vector["subject"]), vector["subjectRef"])


def subject_key(row):
    key = SubjectKey(row, KEYS)
    same(key.key, row["key"])
    same(key.wrapped_under(KEYS[bytes.fromhex(row["kekId"])].kek), row["wrapped"])
    same(key.dek_wrap_key(), row["dekWrapKey"])


def subject_rewrap(vector):
    key = SUBJECT_KEYS[bytes.fromhex(vector["id"])]
    for kek, wrapped in (("from", "wrapped"), ("to", "rewrapped")):
        same(key.wrapped_under(KEYS[bytes.fromhex(vector[kek])].kek), vector[wrapped])


def hsm(vector):
    root_key = bytes.fromhex(PROVIDER_FILE["hsmRootKey"])
    bound = context(vector["context"])
    key, wrapped = bytes.fromhex(vector["key"]), bytes.fromhex(vector["wrapped"])
    same(bound, vector["encodedContext"])
    same(hsm_wrap(root_key, bound, key, optional(vector, "iv")), vector["wrapped"])
    same(hsm_unwrap(root_key, bound, wrapped), vector["key"])
    same(len(wrapped), {"CKM_AES_KEY_WRAP": 72, "CKM_AES_GCM": 60}[vector["mechanism"]])


def hsm_open(vector):
    root_key = bytes.fromhex(PROVIDER_FILE["hsmRootKey"])
    return hsm_unwrap(root_key, context(vector["context"]), bytes.fromhex(vector["wrapped"]))


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
    yield from subject_checks()
    yield from provider_checks()
    envelopes = load("envelopes.json")
    for vector in envelopes["open"] + envelopes["subject"] + envelopes["provider"]:
        yield "envelopes.json", vector["name"], lambda: opened(vector)
    rewraps = load("rewraps.json")
    for vector in rewraps["rewraps"]:
        yield "rewraps.json", vector["name"], lambda: same(rewrap(vector), vector["rewrapped"])
    for vector in rewraps["provider"]:
        moved = lambda: same(provider_rewrap(vector), vector["rewrapped"])
        yield "rewraps.json", vector["name"], moved
    yield from must_fail(load("must-fail.json"))
    yield from compressed_checks()
    yield from index_checks()


def subject_checks():
    file = "subject-keys.json"
    for vector in SUBJECT_FILE["ids"]:
        canonical = lambda: same(subject_id(vector["type"], vector["input"]), vector["canonical"])
        yield file, vector["input"], canonical
    for vector in SUBJECT_FILE["refs"]:
        yield file, vector["subject"], lambda: subject_reference(vector)
    for row in SUBJECT_FILE["keys"]:
        yield file, row["name"], lambda: subject_key(row)
    for vector in SUBJECT_FILE["rewraps"]:
        yield file, vector["name"], lambda: subject_rewrap(vector)
    for row in SUBJECT_FILE["mustFail"]:
        yield file, row["name"], lambda: refused(row["code"], lambda: SubjectKey(row, KEYS))


def provider_checks():
    file = "provider-keys.json"
    for vector in PROVIDER_FILE["hsm"]:
        yield file, vector["name"], lambda: hsm(vector)
    for vector in PROVIDER_FILE["hsmMustFail"]:
        yield file, vector["name"], lambda: refused(vector["code"], lambda: hsm_open(vector))
    for vector in PROVIDER_FILE["awsKms"]:
        bound = lambda: same(kms_context(vector["context"]), vector["encryptionContext"])
        yield file, f"encryption context of {vector['context']['id']}", bound


def must_fail(file):
    opens = file["open"] + file["subject"] + file["provider"]
    for vector in opens:
        data, ref = bytes.fromhex(vector["envelope"]), optional(vector, "subjectRef")
        unwraps = vector.get("unwraps")
        keys = keyring(file["providerUnwraps"] if unwraps is None else unwraps)
        attempt = lambda: open_envelope(keys, data, vector["field"], vector["row"], ref)
        yield "must-fail.json", vector["name"], lambda: refused(vector["code"], attempt)
    for vector in file["text"]:
        attempt = lambda: Envelope(from_text(vector["text"]))
        yield "must-fail.json", vector["name"], lambda: refused(vector["code"], attempt)
    for vector in file["rewrap"] + file["providerRewrap"]:
        unwraps = vector.get("unwraps")
        known = file["providerUnwraps"] if unwraps is None else unwraps
        attempt = lambda: rewrap(vector, known)
        yield "must-fail.json", vector["name"], lambda: refused(vector["code"], attempt)


def compressed_checks():
    file = load("compressed.json")
    for vector in file["open"]:
        yield "compressed.json", vector["name"], lambda: opened(vector)
    for vector in file["mustFail"]:
        data = bytes.fromhex(vector["envelope"])
        attempt = lambda: open_envelope(keyring(), data, vector["field"], vector["row"])
        yield "compressed.json", vector["name"], lambda: refused(vector["code"], attempt)


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
