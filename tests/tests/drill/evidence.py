# Verifies an envelope of ours by securesystemslib, under the key as `lifeboat key signer --pem` prints it, and signs one.
import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

pem, ours, manifest, seed, theirs = sys.argv[1:]
public = load_pem_public_key(open(pem, "rb").read())
key_id = hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]
key = SSlibKey.from_crypto(public, keyid=key_id)

document = json.load(open(ours))
assert set(document) == {"payloadType", "payload", "signatures"}, document
assert document["payloadType"] == "application/vnd.in-toto+json"
envelope = Envelope.from_dict(json.load(open(ours)))
assert list(envelope.verify([key], 1)) == [key_id]

# What cosign's verify-blob-attestation compares: the statement's type, the predicate's, the blob's digest.
statement = json.loads(envelope.payload)
assert statement["_type"] == "https://in-toto.io/Statement/v1"
assert statement["predicateType"] == "urn:lifeboat:drill:v1"
digest = hashlib.sha256(open(manifest, "rb").read()).hexdigest()
assert [subject["digest"]["sha256"] for subject in statement["subject"]] == [digest]
assert base64.b64encode(base64.b64decode(document["payload"])).decode() == document["payload"]

envelope.payload += b" "
try:
    envelope.verify([key], 1)
    raise SystemExit("an altered payload was accepted")
except VerificationError:
    pass

statement["predicate"]["host"] = "signed elsewhere"
private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(open(seed).read()))
other = Envelope(json.dumps(statement).encode(), "application/vnd.in-toto+json", {})
other.sign(CryptoSigner(private, key))
json.dump(other.to_dict(), open(theirs, "w"))
