"""The model of TLS against OpenSSL itself: handshakes in memory, flight by flight.

Certificates are made here, so their sizes are known exactly; what is left to vary are signatures
and random integers in tickets, of which the model draws, too.
"""

import datetime
import itertools
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

import mqttwin as mt
from mqttwin import _core
from mqttwin.layers import layers_of

# Later ones offer more algorithms, and hybrid key shares of a kilobyte.
pytestmark = pytest.mark.skipif(
    ssl.OPENSSL_VERSION_INFO[:2] != (3, 0), reason="the model is of OpenSSL 3.0"
)

KEYS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
}
CONTEXT = 6  # Python's servers have the session id context "Python"
DRAWS = 100
BYTES_A_SIGNATURE = 2


@dataclass
class Party:
    """Certificates of a side, in files, and how large each is."""

    file: Path
    root: Path
    sizes: tuple[int, ...]


def certificate(subject, key, issuer, issuer_key, *, authority):
    now = datetime.datetime(2026, 1, 1)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)]) for who in (subject, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def der(one):
    return one.public_bytes(serialization.Encoding.DER)


def pem(one):
    return one.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def party(tmp_path_factory):
    """party(who, key, chain): made once each. Each has a root of its own: OpenSSL would complete
    a chain from the certificates that it trusts."""
    made = {}
    keys = {}

    def key_of(kind, who):
        if (kind, who) not in keys:
            keys[kind, who] = KEYS[kind]()
        return keys[kind, who]

    def make(who, kind, chain):
        if (who, kind, chain) in made:
            return made[who, kind, chain]
        root_key, middle_key, own = (key_of(kind, f"{who} {n}") for n in range(3))
        root = certificate(f"{who} root", root_key, f"{who} root", root_key, authority=True)
        if chain == "intermediate":
            middle = certificate(f"{who} ca", middle_key, f"{who} root", root_key, authority=True)
            leaf = certificate(who, own, f"{who} ca", middle_key, authority=False)
            shown = [leaf, middle]
        else:
            leaf = certificate(who, own, f"{who} root", root_key, authority=False)
            shown = [leaf, root] if chain == "root" else [leaf]
        place = tmp_path_factory.mktemp("party")
        private = own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (place / "own.pem").write_bytes(private + b"".join(map(pem, shown)))
        (place / "root.pem").write_bytes(pem(root))
        made[who, kind, chain] = Party(
            place / "own.pem", place / "root.pem", tuple(len(der(one)) for one in shown)
        )
        return made[who, kind, chain]

    return make


def contexts(version, server, client, *, both=False, pads=False, server_ciphers="DEFAULT"):
    """(server's, client's) as a C program has them: Python's own list of ciphers is shorter."""
    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname = False
    for context in (theirs, ours):
        context.minimum_version = context.maximum_version = versions[version]
        context.set_ciphers("DEFAULT")
    theirs.set_ciphers(server_ciphers)
    if both:
        ours.minimum_version, ours.maximum_version = versions.values()
    if not pads:
        ours.options &= ~ssl.OP_ALL
    theirs.load_cert_chain(server.file)
    ours.load_verify_locations(server.root)
    if client is not None:
        ours.load_cert_chain(client.file)
        theirs.load_verify_locations(client.root)
        theirs.verify_mode = ssl.CERT_REQUIRED
    return theirs, ours


class Connection:
    """Both ends in memory; `flights` are the bytes of each, beginning with the client's."""

    def __init__(self, theirs, ours, *, name=None, session=None):
        ways = [ssl.MemoryBIO() for _ in range(4)]
        self.client = ours.wrap_bio(ways[0], ways[1], server_hostname=name, session=session)
        self.server = theirs.wrap_bio(ways[2], ways[3], server_side=True)
        self.ends = [
            (self.client, ways[1], ways[2]),
            (self.server, ways[3], ways[0]),
        ]
        self.flights = []
        ready = [False, False]
        quiet = 0
        for k in itertools.cycle((0, 1)):
            try:
                if not ready[k]:
                    self.ends[k][0].do_handshake()
                    ready[k] = True
                else:
                    self.ends[k][0].read(1)
            except ssl.SSLWantReadError:
                pass
            moved = self.carry(k)
            if moved:
                self.flights.append(moved)
            quiet = 0 if moved else quiet + 1
            if quiet == 4:
                break
        assert all(ready)

    def carry(self, k):
        """What end `k` has written goes to the other; returns how much."""
        data = self.ends[k][1].read()
        self.ends[k][2].write(data)
        return len(data)


def flights_of(spec, resumed, draw):
    """The model's bytes in the same manner: steps of a side in a row are one flight."""
    script = _core.opening_script(layers_of(spec, None), resumed, 0, draw)
    return [
        sum(n for _, _, n in steps) for _, steps in itertools.groupby(script, lambda step: step[0])
    ]


def agree(spec, resumed, measured):
    drawn = [flights_of(spec, resumed, draw) for draw in range(DRAWS)]
    assert {len(one) for one in drawn} == {len(measured)}, (drawn[0], measured)
    for k, size in enumerate(measured):
        # Nothing but these signatures and tickets varies, and in the model it varies alike.
        low, high = min(one[k] for one in drawn), max(one[k] for one in drawn)
        assert low - BYTES_A_SIGNATURE <= size <= high + BYTES_A_SIGNATURE, (
            k,
            measured,
            drawn[0],
            (low, high),
        )


COMBINATIONS = [
    (version, key, chain, mutual)
    for version in ("1.2", "1.3")
    for key in KEYS
    for chain in ("leaf", "intermediate", "root")
    for mutual in (False, True)
]


@pytest.mark.parametrize(("version", "key", "chain", "mutual"), COMBINATIONS)
def test_full_and_resumed(party, version, key, chain, mutual):
    server = party("server", key, chain)
    client = party("client", key, chain) if mutual else None
    spec = mt.tls(
        version,
        key=key,
        chain=server.sizes,
        mutual=mutual,
        client_chain=client.sizes if client else "leaf",
        session_context=CONTEXT,
    )
    pair = contexts(version, server, client)
    first = Connection(*pair)
    agree(spec, False, first.flights)
    second = Connection(*pair, session=first.client.session)
    assert second.client.session_reused
    agree(spec, True, second.flights)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("pads", [False, True])
@pytest.mark.parametrize("name", ["", "a.example", "broker.somewhere.example"])
def test_what_lengthens_a_hello(party, version, both, pads, name):
    server = party("server", "p256", "leaf")
    pair = contexts(version, server, None, both=both, pads=pads)
    spec = mt.tls(
        version,
        chain=server.sizes,
        offers_both=both,
        pads_hello=pads,
        server_name=name,
        session_context=CONTEXT,
    )
    first = Connection(*pair, name=name or None)
    agree(spec, False, first.flights)
    second = Connection(*pair, name=name or None, session=first.client.session)
    assert second.client.session_reused
    agree(spec, True, second.flights)


def test_keys_of_different_kinds(party):
    server = party("server", "rsa2048", "intermediate")
    client = party("client", "p256", "leaf")
    for version in ("1.2", "1.3"):
        spec = mt.tls(
            version,
            key="rsa2048",
            chain=server.sizes,
            mutual=True,
            client_key="p256",
            client_chain=client.sizes,
            session_context=CONTEXT,
        )
        agree(spec, False, Connection(*contexts(version, server, client)).flights)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_without_tickets(party, version):
    server = party("server", "rsa2048", "leaf")
    theirs, ours = contexts(version, server, None)
    spec = mt.tls(version, key="rsa2048", chain=server.sizes, tickets=0, session_context=CONTEXT)
    if version == "1.3":
        theirs.num_tickets = 0
        agree(spec, False, Connection(theirs, ours).flights)
        return
    theirs.options |= ssl.OP_NO_TICKET
    first = Connection(theirs, ours)
    agree(spec, False, first.flights)
    second = Connection(theirs, ours, session=first.client.session)
    assert second.client.session_reused
    agree(spec, True, second.flights)


@pytest.mark.parametrize(
    ("version", "cipher", "name"),
    [
        ("1.3", "aes256_gcm_sha384", "DEFAULT"),
        ("1.2", "aes256_gcm_sha384", "ECDHE-RSA-AES256-GCM-SHA384"),
        ("1.2", "aes128_gcm_sha256", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("1.2", "chacha20_poly1305", "ECDHE-RSA-CHACHA20-POLY1305"),
    ],
)
def test_records_and_the_close(party, version, cipher, name):
    server = party("server", "rsa2048", "leaf")
    spec = mt.tls(
        version, key="rsa2048", chain=server.sizes, cipher=cipher, session_context=CONTEXT
    )
    layers = layers_of(spec, None)
    one = Connection(*contexts(version, server, None, server_ciphers=name))
    agree(spec, False, one.flights)
    for size in (1, 60, 16_384, 16_385, 50_000):
        sent = 0
        while sent < size:  # a write of a record each
            sent += one.client.write(bytes(size - sent))
        assert one.carry(0) == _core.sealed_bytes(layers, "client", size)
    with pytest.raises(ssl.SSLWantReadError):
        one.client.unwrap()
    assert one.carry(0) == _core.closing_script(layers)[0][2]
