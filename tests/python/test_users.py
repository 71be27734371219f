"""Users files, the command that writes them, and SCRAM against a server that others wrote."""

import base64
import getpass
import hashlib
import hmac
import io
import os
import stat
import sys

import pytest

import mqttwin as mt
from mqttwin import _core, users

SALT = bytes(range(16))
# What PostgreSQL keeps for the password and the salt of RFC 7677, section 3.
PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def record_by_python(password: str, salt: bytes, iterations: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = (salt, hashlib.sha256(client_key).digest(), server_key)
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in parts)
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


class ServerByPython:
    """RFC 5802 as its text has it, with a password instead of a record."""

    def __init__(self, password: str, salt: bytes = SALT, iterations: int = 4096):
        self.salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
        self.tail = f",s={base64.b64encode(salt).decode()},i={iterations}"

    def challenge(self, client_first: bytes) -> bytes:
        self.bare = client_first.decode().removeprefix("n,,")
        nonce = self.bare.rpartition(",r=")[2]
        self.first = f"r={nonce}servernonce{self.tail}"
        return self.first.encode()

    def verdict(self, client_final: bytes) -> bytes:
        unproven, _, proof = client_final.decode().rpartition(",p=")
        signed = ",".join((self.bare, self.first, unproven)).encode()
        client_key = hmac.digest(self.salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        claimed = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        if claimed != client_key:
            return b"e=invalid-proof"
        server_key = hmac.digest(self.salted, b"Server Key", "sha256")
        return b"v=" + base64.b64encode(hmac.digest(server_key, signed, "sha256"))


# --- records and SCRAM ----------------------------------------------------------------------------


def test_a_record_is_what_hashlib_makes_of_it():
    for password, iterations in (("pencil", 4096), ("päss wörd", 15_000)):
        record = _core.make_user_record(password, SALT, iterations)
        assert record == record_by_python(password, SALT, iterations)
        assert _core.verify_user_record(record, password)
        assert not _core.verify_user_record(record, password + "x")
    assert _core.make_user_record("x", SALT) == record_by_python("x", SALT, 15_000)
    assert _core.verify_user_record(PENCIL, "pencil")


@pytest.mark.parametrize(
    ("password", "salt", "iterations", "told"),
    [
        ("", SALT, 4096, "the password is empty"),
        ("a\tb", SALT, 4096, "the password has a prohibited character"),
        ("x" * 1025, SALT, 4096, "the password is too long"),
        ("x", b"short", 4096, "the salt must have from 8 to 64 bytes"),
        ("x", SALT, 4095, "iterations must be from 4096 to 600000"),
        ("x", SALT, 600_001, "iterations must be from 4096 to 600000"),
    ],
)
def test_records_that_are_refused(password, salt, iterations, told):
    with pytest.raises(ValueError, match=told):
        _core.make_user_record(password, salt, iterations)


def test_the_client_speaks_with_a_server_that_others_wrote():
    server = ServerByPython("pÄss,=")
    client = _core.ScramClient("user=,", "pÄss,=")
    first = client.first()
    assert first.startswith(b"n,,n=user=3D=2C,r=")
    client.finish(server.verdict(client.next(server.challenge(first))))


def test_nonces_are_drawn():
    firsts = {_core.ScramClient("u", "p").first() for _ in range(10)}
    assert len(firsts) == 10
    assert {len(first) for first in firsts} == {len("n,,n=u,r=") + 32}


def test_the_example_of_rfc_7677():
    client = _core.ScramClient("user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    assert client.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    proof = client.next(nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert proof == b"c=biws," + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    client.finish(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_a_client_says_why_not():
    server = ServerByPython("right")
    client = _core.ScramClient("u", "wrong")
    verdict = server.verdict(client.next(server.challenge(client.first())))
    with pytest.raises(ValueError, match="the server refuses user name and password"):
        client.finish(verdict)

    # Somebody who does not know the password, and says that all is well.
    client = _core.ScramClient("u", "wrong")
    client.next(server.challenge(client.first()))
    with pytest.raises(ValueError, match="the server does not know the password"):
        client.finish(b"v=" + base64.b64encode(bytes(32)))

    for hostile, told in (
        (b"", "malformed message"),
        (b"\xff\x00", "malformed message"),
        (b"r=x,s=QUFB,i=4096", "the nonce is not this exchange's"),
    ):
        client = _core.ScramClient("u", "p")
        client.first()
        with pytest.raises(ValueError, match=told):
            client.next(hostile)

    with pytest.raises(ValueError, match="the user name cannot be used"):
        _core.ScramClient("", "p").first()
    with pytest.raises(ValueError, match="the nonce must be up to 256 printable"):
        _core.ScramClient("u", "p", nonce="a,b")


def test_a_server_cannot_keep_a_client_busy():
    server = ServerByPython("p", iterations=5000)
    client = _core.ScramClient("u", "p", max_iterations=4096)
    with pytest.raises(ValueError, match="asks for too many iterations"):
        client.next(server.challenge(client.first()))
    client = _core.ScramClient("u", "p", nonce="abc")
    client.first()
    with pytest.raises(ValueError, match="asks for too many iterations"):
        client.next(b"r=abcd,s=QUFB,i=4294967295")


def test_an_exchange_has_an_order():
    order = "first\\(\\), next\\(\\), finish\\(\\), once and in order"
    client = _core.ScramClient("u", "p")
    with pytest.raises(ValueError, match=order):
        client.next(b"")
    with pytest.raises(ValueError, match=order):
        client.finish(b"")
    client.first()
    with pytest.raises(ValueError, match=order):
        client.first()
    with pytest.raises(ValueError, match="malformed"):
        client.next(b"")
    with pytest.raises(ValueError, match=order):
        client.finish(b"v=")
    with pytest.raises(ValueError, match=order):
        client.next(b"")


# --- the file -------------------------------------------------------------------------------------


def test_users_come_and_go(tmp_path):
    file = tmp_path / "users"
    assert users.add_user(file, "ann", "secret", iterations=4096)
    assert users.add_user(file, "b:ö#b %", "secret", iterations=5000)
    assert users.list_users(file) == [
        users.User("ann", 4096, 1),
        users.User("b:ö#b %", 5000, 2),
    ]
    before = file.read_text()
    assert not users.add_user(file, "ann", "other", iterations=4096)
    assert file.read_text() != before
    record = file.read_text().splitlines()[0].removeprefix("ann:")
    assert _core.verify_user_record(record, "other")
    assert not _core.verify_user_record(record, "secret")
    # The name as it would be typed on another keyboard.
    users.remove_user(file, "b:o\u0308#b %")
    users.remove_user(file, "ann")
    assert users.list_users(file) == []
    assert file.read_bytes() == b""


def test_the_same_password_twice_looks_different(tmp_path):
    file = tmp_path / "users"
    users.add_user(file, "a", "secret", iterations=4096)
    users.add_user(file, "b", "secret", iterations=4096)
    first, second = (line.split(":", 1)[1] for line in file.read_text().splitlines())
    assert first != second


def test_what_is_no_user_stays(tmp_path):
    file = tmp_path / "users"
    file.write_bytes(b"# the team\r\n\n  ann:" + PENCIL.encode() + b"\n#end")
    users.add_user(file, "bob", "secret", iterations=4096)
    lines = file.read_bytes().split(b"\n")
    assert lines[:4] == [b"# the team\r", b"", b"  ann:" + PENCIL.encode(), b"#end"]
    assert lines[4].startswith(b"bob:SCRAM-SHA-256$4096:")
    assert lines[5:] == [b""]
    users.remove_user(file, "ann")
    assert users.list_users(file) == [users.User("bob", 4096, 4)]


def test_the_file_is_its_owners(tmp_path):
    file = tmp_path / "users"
    users.add_user(file, "ann", "secret", iterations=4096)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    users.add_user(file, "ann", "secret", iterations=4096)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["users"]


def test_a_link_stays_one(tmp_path):
    file = tmp_path / "there"
    link = tmp_path / "users"
    link.symlink_to(file)
    users.add_user(link, "ann", "secret", iterations=4096)
    assert link.is_symlink()
    assert [user.name for user in users.list_users(file)] == ["ann"]


def test_what_cannot_be_written_leaves_all_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "users"
    users.add_user(file, "ann", "secret", iterations=4096)
    before = file.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(mt.ConfigError, match=r"users: cannot be written: No space left"):
        users.add_user(file, "bob", "secret", iterations=4096)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["users"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"ann\n", r"users:1: has no ':' after the name"),
        (b"\n:x\n", r"users:2: the user name is empty"),
        (b"ann:$6$salt$hash\n", r"users:1: does not begin with SCRAM-SHA-256\$"),
        (b"a%:x\n", r"users:1: has a '%' without two hexadecimal digits"),
        (b"\xff:x\n", r"users:1: the user name is not UTF-8"),
        (b"\x00:x\n", r"users:1: the user name has a prohibited character"),
        (b"x" * 2049, r"users:1: is longer than 2048 bytes"),
        (f"a:{PENCIL}\n#\na:{PENCIL}".encode(), r"users:3: the user is already on line 1"),
        (f"a:{PENCIL.replace('$4096', '$4095')}".encode(), r"users:1: iterations must be from"),
        (f"a:{PENCIL[:-1]}".encode(), r"users:1: ServerKey is not 32 bytes in base64"),
    ],
)
def test_a_file_that_is_none(tmp_path, text, told):
    file = tmp_path / "users"
    file.write_bytes(text)
    with pytest.raises(mt.ConfigError, match=told) as error:
        users.list_users(file)
    assert error.value.file == str(file)
    assert error.value.line > 0
    with pytest.raises(mt.ConfigError, match=told):
        users.add_user(file, "bob", "secret", iterations=4096)
    assert file.read_bytes() == text


@pytest.mark.parametrize(
    ("name", "password", "iterations", "told"),
    [
        ("", "x", 4096, "the user name is empty"),
        ("\u00ad", "x", 4096, "the user name is empty"),
        ("a\nb", "x", 4096, "the user name has a prohibited character"),
        ("a" * 256, "x", 4096, "the user name is longer than 255 bytes"),
        ("\udcff", "x", 4096, "the user name is not UTF-8"),
        ("😀", "x", 4096, "the user name has a character that Unicode 3.2 does not know"),
        ("ann", "", 4096, "the password is empty"),
        ("ann", "\x7f", 4096, "the password has a prohibited character"),
        ("ann", "\udcff", 4096, "^the password is not UTF-8$"),
        ("ann", "x", 0, "iterations: must be from 4096 to 600000, not 0"),
        ("ann", "x", 4095, "iterations must be from 4096"),
        ("ann", "x", 10**12, "must be from 4096"),
    ],
)
def test_users_that_nobody_can_be(tmp_path, name, password, iterations, told):
    file = tmp_path / "users"
    with pytest.raises(mt.ConfigError, match=told):
        users.add_user(file, name, password, iterations=iterations)
    assert not file.exists()


def test_a_file_that_is_not_there(tmp_path):
    file = tmp_path / "users"
    with pytest.raises(mt.ConfigError, match="users: cannot be read: No such file"):
        users.list_users(file)
    with pytest.raises(mt.ConfigError, match="users: cannot be read: No such file"):
        users.remove_user(file, "ann")
    with pytest.raises(mt.ConfigError, match="cannot be read: Is a directory"):
        users.add_user(tmp_path, "ann", "secret", iterations=4096)
    with pytest.raises(mt.ConfigError, match="cannot be written: No such file"):
        users.add_user(tmp_path / "no" / "users", "ann", "secret", iterations=4096)
    users.add_user(file, "ann", "secret", iterations=4096)
    with pytest.raises(mt.ConfigError, match="users: has no user 'bob'"):
        users.remove_user(file, "bob")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def typed(monkeypatch):
    """What comes from standard input."""

    def type_in(text: str):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return type_in


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_passwd_reads_a_pipe(mqttwin, typed, tmp_path):
    file = tmp_path / "users"
    typed("secret\r\nmore\n")
    said = mqttwin("passwd", file, "ann")
    assert (said.status, said.out, said.err) == (0, "added ann\n", "")
    assert [(user.name, user.iterations) for user in users.list_users(file)] == [("ann", 15_000)]
    record = file.read_text().strip().removeprefix("ann:")
    assert _core.verify_user_record(record, "secret")

    typed("other")
    said = mqttwin("passwd", "--iterations", 4096, file, "ann")
    assert (said.status, said.out) == (0, "changed the password of ann\n")
    assert [user.iterations for user in users.list_users(file)] == [4096]

    said = mqttwin("passwd", file, "ann", "--delete")
    assert (said.status, said.out) == (0, "removed ann\n")
    assert users.list_users(file) == []


def interrupt(prompt):
    raise KeyboardInterrupt


def test_passwd_asks_twice(mqttwin, tmp_path, monkeypatch):
    file = tmp_path / "users"
    asked = []

    def ask(answers):
        def answer(prompt):
            asked.append(prompt)
            if not answers:
                raise EOFError
            return answers.pop(0)

        monkeypatch.setattr(getpass, "getpass", answer)
        monkeypatch.setattr(sys, "stdin", Terminal())

    ask(["secret", "secret"])
    assert mqttwin("passwd", file, "ann", "--iterations", 4096).out == "added ann\n"
    assert asked == ["Password of ann: ", "Again: "]
    ask(["secret", "sceret"])
    said = mqttwin("passwd", file, "bob")
    assert (said.status, said.line) == (2, "the passwords differ")
    ask([])
    said = mqttwin("passwd", file, "bob")
    assert (said.status, said.line) == (2, "no password given")
    monkeypatch.setattr(getpass, "getpass", interrupt)
    assert mqttwin("passwd", file, "bob").status == 130
    assert [user.name for user in users.list_users(file)] == ["ann"]


def test_passwd_with_wrong_input(mqttwin, typed, tmp_path):
    file = tmp_path / "users"

    def refused(*arguments, stdin="secret\n"):
        typed(stdin)
        said = mqttwin("passwd", *arguments)
        assert said.status == 2
        assert said.out == ""
        return said.line

    assert refused(file, "ann", stdin="") == "no password given"
    assert refused(file, "ann", stdin="\n") == "the password is empty"
    assert refused(file, "", stdin="x\n") == "the user name is empty"
    assert "must be from 4096 to 600000" in refused(file, "ann", "--iterations", 17)
    assert "--iterations" in refused(file, "ann", "--iterations", "many")
    assert "does not go with --delete" in refused(file, "a", "--delete", "--iterations", 5000)
    assert "cannot be read" in refused(file, "ann", "--delete")
    assert "missing argument" in refused(file).lower()
    assert not file.exists()
    file.write_text("nonsense\n")
    assert f"{file}:1: has no ':'" in refused(file, "ann")
