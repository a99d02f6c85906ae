"""Seals and opens with pyca/cryptography's own implementation of C2SP chunked-encryption: a second opinion.

Reads lines of `seal KEY CONTEXT FROM TO` or `open KEY CONTEXT FROM TO` (hexadecimal; `-` for an empty context) and
answers each with a line: `done`, or `refused`.
"""

import sys

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

SLICE = 10_007


def transform(kind, key, context, source, target):
    machine = kind(key, context)
    with open(source, "rb") as message, open(target, "wb") as out:
        while piece := message.read(SLICE):
            out.write(machine.update(piece))
        out.write(machine.finalize())


for line in sys.stdin:
    verb, key, context, source, target = line.split()
    kind = {"seal": Cobblestone256Encryptor, "open": Cobblestone256Decryptor}[verb]
    try:
        transform(kind, bytes.fromhex(key), bytes.fromhex(context.strip("-")), source, target)
        print("done", flush=True)
    except InvalidTag:
        print("refused", flush=True)
