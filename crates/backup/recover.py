#!/usr/bin/env python3
"""Opens a backup of Lifeboat without Lifeboat.

    recover.py --keyring keyring.toml DIR | psql -X -d NEW_DATABASE     the dump
    recover.py --keyring keyring.toml DIR globals.sql.gz | psql -X      another object, decompressed
    recover.py --list DIR                                               its objects, and the keys that open it

DIR is what `lifeboat download --sealed` wrote, or any copy of the backup's folder. Needs Python 3.11 and the package
`cryptography`: AES-GCM, HKDF, X25519 and Ed25519, no more, so that a release as old as 38 does. What is compressed with
zstd needs the program zstd, or Python 3.14. Memory is flat.

Every stored byte is proven before the first one is opened. The dump is printed between `\\if true` and `\\endif`: psql
takes the end of its input for the end of the rows, but fails for want of the `\\endif`, even when this program is
killed. Use what psql made only when both ended with exit code 0.

The format is that of docs/format.md, sections 3 and 6, in Lifeboat's repository.
"""
import argparse, base64, hashlib, hmac, json, os, re, shutil, subprocess, sys, threading, tomllib, zlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LAST_LINES = re.compile(rb"""(,\n  "mac": "(?P<mac>[0-9a-f]{128})")?"""
                        rb"""(?P<signed>,\n  "signature": "[0-9a-f]{16} (?P<signature>[0-9a-f]{128})")?"""
                        rb"""(?P<digested>,\n  "sha256": "(?P<sha256>[0-9a-f]{64})")\n}\n\Z""")
ENCODINGS = {"hex": bytes.fromhex, "base64": lambda text: base64.b64decode(text + "=="),
             "sha256(utf8)": lambda text: hashlib.sha256(text.encode()).digest()}
CHUNK = 16384 + 16
NO_ZSTD = ("the backup is compressed with zstd, which Python reads from 3.14 on and this one leaves to the program zstd: install "
           "it. One that is not encrypted needs no more: cat *.sql.zst | zstd -d | psql, in the order of manifest.json")


def demand(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)


def lp(*fields):
    return b"".join(len(field.encode()).to_bytes(4, "big") + field.encode() for field in fields)


def read_manifest(document):
    """The manifest and its last lines. It is whole; who wrote it is not known yet."""
    last = LAST_LINES.search(document)
    demand(last and hashlib.sha256(document[: last.start("digested")]).hexdigest() == last["sha256"].decode(),
           "manifest.json is cut, continued or changed: its own digest is another")
    manifest = json.loads(document)
    demand(manifest["format"] == 1 and manifest["compression"] in ("gzip", "zstd"),
           "this program reads format 1, compressed with gzip or zstd, only")
    for stored in manifest["script"] + manifest["attachments"]:
        demand(Path(stored["name"]).name == stored["name"], f"manifest.json names {stored['name']!r} as an object")
        demand(("seal" in stored) == stored["name"].endswith(".sealed") == (last["mac"] is not None),
               "manifest.json says both that the backup is encrypted and that it is not")
    return manifest, last


def open_data_key(wraps, backup, keyring):
    """The data key, from the first wrap that a key of the keyring opens; retired ones are as good as others."""
    failed = []
    for entry in keyring.get("key", []):
        key_id, secret = entry["id"], ENCODINGS[entry.get("encoding", "hex")](entry["secret"])
        demand(len(secret) == 32, f"the key {key_id} of the keyring has {len(secret)} bytes; a key has 32")
        if entry["kind"] == "x25519":
            key_id = hashlib.sha256(x25519_public(secret)).hexdigest()[:16]
        if key_id in wraps and entry["kind"] != "ed25519":
            try:
                wrap, context = json.loads(wraps[key_id].read_bytes()), lp("lifeboat/v1 dek", backup, key_id)
                wrapped = bytes.fromhex(wrap["wrapped"])
                if entry["kind"] == "x25519":
                    return open_hpke(secret, bytes.fromhex(wrap["enc"]), wrapped, context)
                return AESGCM(secret).decrypt(bytes.fromhex(wrap["nonce"]), wrapped, context)
            except (InvalidTag, KeyError, ValueError):
                failed.append(f"the keyring's {entry['id']} is another key than the one of keys/{key_id}.json, "
                              "or that file is damaged or another backup's")
    raise ValueError("; ".join(failed) or f"no key of the keyring opens it: {', '.join(wraps) or 'nothing'} would")


def x25519_public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def open_hpke(secret, enc, wrapped, info):
    """HPKE (RFC 9180) in base mode: X25519-HKDF-SHA256, HKDF-SHA256, AES-256-GCM."""
    kem, suite = b"HPKE-v1KEM\0\x20", b"HPKE-v1HPKE\0\x20\0\x01\0\x02"

    def extract(label, salt, key):
        return hmac.digest(salt, label + key, "sha256")

    def expand(label, key, context, length):
        return HKDFExpand(SHA256(), length, length.to_bytes(2, "big") + label + context).derive(key)

    agreed = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(enc))
    shared = expand(kem + b"shared_secret", extract(kem + b"eae_prk", b"", agreed), enc + x25519_public(secret), 32)
    context = b"\0" + extract(suite + b"psk_id_hash", b"", b"") + extract(suite + b"info_hash", b"", info)
    master = extract(suite + b"secret", shared, b"")
    key, nonce = expand(suite + b"key", master, context, 32), expand(suite + b"base_nonce", master, context, 12)
    return AESGCM(key).decrypt(nonce, wrapped, None)


def prove(path, stored):
    length = path.stat().st_size
    demand(length == stored["length"], f"{path} has {length} bytes; {stored['length']} were stored")
    with open(path, "rb") as file:
        demand(hashlib.file_digest(file, "sha256").hexdigest() == stored["sha256"],
               f"{path} is damaged or another object: its SHA-256 is not the manifest's")


def blocks_of(path, stored, backup, data_key):
    """The compressed bytes of an object. Those of a sealed one are C2SP chunked-encryption, Cobblestone-256."""
    with open(path, "rb") as file:
        if data_key is None:
            return (yield from iter(lambda: file.read(CHUNK), b""))
        salt, commitment = (bytes.fromhex(stored["seal"][name]) for name in ("salt", "commitment"))
        label, context = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0", lp("lifeboat/v1", backup, stored["name"])
        derived = HKDFExpand(SHA512(), 76, label + salt + context).derive(data_key)
        demand(file.read(56) == salt + commitment and hmac.compare_digest(derived[44:], commitment),
               f"{path} was sealed under another key or another name")
        aead, nonce, number, chunk = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big"), 0, bytes(CHUNK)
        while len(chunk) == CHUNK:  # the last one, and it alone, is shorter
            chunk = file.read(CHUNK)
            try:
                yield aead.decrypt((nonce ^ number).to_bytes(12, "big"), chunk, None)
            except (InvalidTag, ValueError):
                raise ValueError(f"{path} is cut or damaged at chunk {number}") from None
            number += 1


def decompressed(blocks, name):
    if not name.removesuffix(".sealed").endswith(".zst"):
        return members(blocks, lambda: zlib.decompressobj(wbits=31))
    try:
        from compression.zstd import ZstdDecompressor  # since Python 3.14
    except ImportError:
        return through_zstd(blocks)
    return members(blocks, ZstdDecompressor)


def members(blocks, begin):
    """One gzip member, or zstd frame, after another."""
    member = None
    for block in blocks:
        while block:
            if member is None or member.eof:
                member = begin()
            yield member.decompress(block)
            block = member.unused_data
    demand(member is None or member.eof, "the compressed stream is cut")


def through_zstd(blocks):
    program, failed = shutil.which("zstd"), []
    demand(program, NO_ZSTD)

    def feed():
        try:
            with process.stdin as stdin:
                stdin.writelines(blocks)
        except Exception as error:
            failed.append(error)

    with subprocess.Popen([program, "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        feeding = threading.Thread(target=feed, daemon=True)
        feeding.start()
        yield from iter(lambda: process.stdout.read(CHUNK), b"")
        feeding.join()
    for error in failed:
        raise error
    demand(process.returncode == 0, f"zstd ended with exit code {process.returncode}")


def prove_manifest(manifest, last, arguments):
    """The data key; None for a backup that is not encrypted. The manifest is to be believed afterwards."""
    if arguments.signer:
        try:
            demand(last["signature"], "the backup is not signed")
            signer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(arguments.signer.removeprefix("ed25519:")))
            signer.verify(bytes.fromhex(last["signature"].decode()), last.string[: last.start("signed")])
        except InvalidSignature:
            raise ValueError(f"{arguments.signer} did not sign the backup") from None
    if not last["mac"]:
        return demand(not arguments.keyring, "the backup is not encrypted: anybody may have put it there; "
                                             "without --keyring it is opened nevertheless")
    demand(arguments.keyring, "the backup is encrypted: say with --keyring where the keys are")
    wraps = {path.stem: path for path in sorted(arguments.dir.glob("keys/*.json"))}
    data_key = open_data_key(wraps, manifest["id"], tomllib.loads(arguments.keyring.read_text("utf-8")))
    mac_key = HKDFExpand(SHA512(), 32, lp("lifeboat/v1 manifest-mac", manifest["id"])).derive(data_key)
    demand(hmac.digest(mac_key, last.string[: last.start()], "sha512").hex() == last["mac"].decode(),
           "manifest.json was changed or forged: its MAC is not one of the key that opens the backup")
    return data_key


def recover(arguments, out):
    manifest, last = read_manifest((arguments.dir / "manifest.json").read_bytes())
    objects = manifest["script"] + manifest["attachments"]
    if arguments.list:
        ids = sorted(path.stem for path in arguments.dir.glob("keys/*.json"))
        print(f"{manifest['database']}/{manifest['id']} opens with: {', '.join(ids) or 'no key, it is not encrypted'}")
        return print(*(f"{stored['length']:16} {stored['name']}" for stored in objects), sep="\n")
    data_key = prove_manifest(manifest, last, arguments)
    named = (arguments.name, f"{arguments.name}.sealed")
    chosen = [stored for stored in objects if stored["name"] in named] if arguments.name else manifest["script"]
    demand(chosen, f"the backup has no {arguments.name}: --list says what it has")
    for stored in chosen:
        prove(arguments.dir / stored["name"], stored)
    print(f"{manifest['database']}/{manifest['id']} is proven: its state of {manifest['snapshot']}", file=sys.stderr)
    for stored in chosen:
        blocks = blocks_of(arguments.dir / stored["name"], stored, manifest["id"], data_key)
        out.writelines(decompressed(blocks, stored["name"]))


def main():
    parser = argparse.ArgumentParser(description="Opens a backup of Lifeboat without Lifeboat; prints SQL for psql.")
    parser.add_argument("--keyring", type=Path, help="keyring.toml; only for a backup that is encrypted")
    parser.add_argument("--signer", help="ed25519:…: accept what this key signed and nothing else")
    parser.add_argument("--list", action="store_true", help="say what there is; proves nothing and needs no key")
    parser.add_argument("dir", type=Path, help="folder with the backup's objects")
    parser.add_argument("name", nargs="?", help="print this object instead of the dump, such as globals.sql.gz")
    arguments, out = parser.parse_args(), sys.stdout.buffer
    framed = not (arguments.list or arguments.name)
    try:
        out.write(b"\\set ON_ERROR_STOP on\n\\if true\n" if framed else b"")
        out.flush()
        recover(arguments, out)
        out.write(b"\\endif\n" if framed else b"")
        out.flush()
    except Exception as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing more is printed, not by the end of Python either
        why = str(error) or repr(error)
        sys.exit(f"recover.py: {why}\nrecover.py: what was printed or restored so far, if anything, must not be used")


if __name__ == "__main__":
    main()
