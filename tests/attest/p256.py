"""ECDSA on NIST P-256 with SHA-256 (FIPS 186-5), for keys whose signatures a test makes up.

Slow and not constant in time: for test keys only.
"""
import hashlib

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
A = P - 3
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] + A) * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point = add(point, point)
        k >>= 1
    return result


class Key:
    """A key out of a seed: the same in each run."""

    def __init__(self, seed):
        self.secret = int.from_bytes(hashlib.sha256(seed).digest(), "big") % (N - 1) + 1
        self.public = multiply(self.secret, G)

    def sign(self, message):
        """r and s."""
        digest = hashlib.sha256(message).digest()
        z = int.from_bytes(digest, "big")
        k = int.from_bytes(hashlib.sha512(self.secret.to_bytes(32, "big") + digest).digest(),
                           "big") % (N - 1) + 1
        r = multiply(k, G)[0] % N
        return r, pow(k, -1, N) * (z + r * self.secret) % N
