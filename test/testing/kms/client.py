"""Drives the emulator with botocore, an independent client: prints what came of each step as JSON."""

import json
import sys

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, region, access_key, secret = sys.argv[1:]


def client_of(secret_key):
    return botocore.session.get_session().create_client(
        "kms",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


def error_of(call, **parameters):
    try:
        call(**parameters)
        return "ok"
    except ClientError as error:
        return error.response["Error"]["Code"]


kms = client_of(secret)
context = {"domain": "default", "version": "1"}
metadata = kms.create_key(Description="made by botocore")["KeyMetadata"]
arn = metadata["Arn"]
kms.create_alias(AliasName="alias/botocore", TargetKeyId=arn)
data_key = kms.generate_data_key(
    KeyId="alias/botocore", KeySpec="AES_256", EncryptionContext=context
)
blob = data_key["CiphertextBlob"]
opened = kms.decrypt(KeyId=arn, CiphertextBlob=blob, EncryptionContext=context)
other = kms.create_key()["KeyMetadata"]["Arn"]
moved = kms.re_encrypt(
    CiphertextBlob=blob, SourceEncryptionContext=context, DestinationKeyId=other
)
kms.disable_key(KeyId=other)
kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)

print(
    json.dumps(
        {
            "created": metadata["CreationDate"].year >= 2024,
            "arn": data_key["KeyId"] == arn,
            "opened": opened["Plaintext"] == data_key["Plaintext"],
            "length": len(opened["Plaintext"]),
            "moved": [moved["SourceKeyId"] == arn, moved["KeyId"] == other],
            "aliases": [a["AliasName"] for a in kms.list_aliases()["Aliases"]],
            "disabled": error_of(kms.encrypt, KeyId=other, Plaintext=b"x"),
            "pending": error_of(kms.encrypt, KeyId=arn, Plaintext=b"x"),
            "unknown": error_of(kms.describe_key, KeyId="alias/none"),
            "secret": error_of(client_of(secret + "x").list_keys),
        }
    )
)
