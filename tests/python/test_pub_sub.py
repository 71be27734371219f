"""``mqttwin pub`` and ``mqttwin sub`` against our own broker."""

import io
import sys
import threading
from datetime import datetime, timedelta, timezone

import pytest

import mqttwin as mt
from mqttwin import users
from mqttwin.cli import properties
from mqttwin.cli.connection import Target
from mqttwin.cli.message_format import MessageFormat


@pytest.fixture
def broker():
    """The broker of a world, on a port of its own."""
    with mt.World() as world:
        world.broker()
        with world.serve() as server:
            yield server


@pytest.fixture
def where(broker):
    return ("-h", broker.host, "-p", broker.port)


def feed(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


# --- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["pub", "sub"])
def test_help(mqttwin, command):
    said = mqttwin(command, "--help")
    assert said.status == 0
    for option in ("-h", "-p", "-t", "-q", "-i", "-k", "-u", "-P", "-V", "-L", "-D", "--cafile"):
        assert option in said.out


@pytest.mark.parametrize("version", ["mqttv5", "mqttv311", "mqttv31", "5", "311"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_retained_message_comes_back(mqttwin, where, version, qos):
    said = mqttwin("pub", *where, "-V", version, "-t", "a/b", "-m", "hello", "-r", "-q", qos)
    assert (said.status, said.out, said.err) == (0, "", "")
    said = mqttwin("sub", *where, "-V", version, "-t", "a/#", "-C", 1, "-v", "-q", qos)
    assert (said.status, said.out, said.err) == (0, "a/b hello\n", "")


def test_nobody_listens(mqttwin):
    for command in (("pub", "-n"), ("sub",)):
        said = mqttwin(*command, "-t", "a", "-h", "127.0.0.1", "-p", 1)
        assert said.status == 1
        assert said.line == "no connection to 127.0.0.1:1: connection refused"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pub", "-m", "x"), "--topic: is missing"),
        (("sub",), "--topic: is missing"),
        (("pub", "-t", "a"), "one of -m, -f, -l, -s and -n"),
        (("pub", "-t", "a", "-m", "x", "-n"), "one of -m, -f, -l, -s and -n"),
        (("pub", "-t", "a", "-f", "/nowhere"), "/nowhere: No such file"),
        (("pub", "-t", "a", "-l", "--repeat", 2), "--repeat: does not go with -l"),
        (("pub", "-t", "a", "-n", "--repeat-delay", "x"), "--repeat-delay"),
        (("pub", "-t", "a", "-n", "-V", "6"), "-V: '6' is none of mqttv5"),
        (("pub", "-t", "a", "-n", "-q", 3), "'-q' / '--qos'"),
        (("pub", "-t", "a", "-n", "-c"), "a session needs a client identifier"),
        (("pub", "-t", "a", "-n", "-i", "x", "-I", "y"), "not both -i and -I"),
        (("pub", "-t", "a", "-n", "-x", "soon"), "-x: 'soon' is not a number"),
        (("pub", "-t", "a", "-n", "-V", "311", "-x", 1), "properties need MQTT 5.0"),
        (("pub", "-t", "a", "-n", "-L", "http://x"), "is not mqtt[s]://"),
        (("pub", "-t", "a", "-n", "-L", "mqtt://x", "-h", "y"), "no -h or -p beside it"),
        (("pub", "-t", "a", "-n", "--will-payload", "x"), "--will-topic: a will needs a topic"),
        (("pub", "-t", "a", "-n", "--cafile", "/nowhere"), "TLS: No such file"),
        (("pub", "-t", "a", "-n", "--cert", "/nowhere"), "a certificate and its key go together"),
        (("pub", "-t", "a", "-n", "-D"), "-D: needs COMMAND NAME VALUE"),
        (("pub", "-t", "a", "-n", "-D", "publish", "x", "y"), "publish has no 'x' (it has payload"),
        (("pub", "-t", "a", "-n", "-D", "pub", "x", "y"), "'pub' is none of connect, publish"),
        (
            ("pub", "-t", "a", "-n", "-D", "publish", "message-expiry-interval", "y"),
            "'y' is not a whole number",
        ),
        (("pub", "-t", "a", "-n", "-D", "publish", "user-property", "y"), "needs KEY and VALUE"),
        (("sub", "-t", "a", "-F", "%z"), "-F: has an unknown %z"),
        (("sub", "-t", "a", "-F", "100%"), "-F: ends in '%'"),
        (("sub", "-t", "a", "-W", 0), "--timeout: must be more than 0"),
        (("pub", "-t", "a", "-n", "--auth", "X"), "'X' is unknown (there is SCRAM-SHA-256)"),
    ],
)
def test_wrong_input(mqttwin, arguments, said):
    answer = mqttwin(*arguments)
    assert answer.status == 2
    assert said in answer.line


def test_a_user(mqttwin, tmp_path):
    file = tmp_path / "users"
    users.add_user(file, "me", "secret", iterations=4096)
    with mt.World() as world, world.serve(users=file) as server:
        where = ("-h", server.host, "-p", server.port, "-t", "a", "-n")
        assert mqttwin("pub", *where, "-u", "me", "-P", "secret").status == 0
        assert mqttwin("pub", *where, "-u", "me", "-P", "secret", "-V", "311").status == 0
        said = mqttwin("pub", *where, "-u", "me", "-P", "wrong")
        assert said.status == 1
        assert "refuses: " in said.line
        scram = (*where, "--auth", "scram-sha-256", "-u", "me")
        assert mqttwin("pub", *scram, "-P", "secret").status == 0
        said = mqttwin("pub", *scram, "-P", "wrong")
        assert said.status == 1
        assert "refuses: " in said.line
        url = f"mqtt://me:secret@{server.host}:{server.port}/a"
        assert mqttwin("pub", "-L", url, "-n").status == 0


# --- pub ----------------------------------------------------------------------------------------


def test_where_payloads_come_from(mqttwin, where, monkeypatch, tmp_path):
    file = tmp_path / "payload"
    file.write_bytes(b"from a file")
    order = ("pub", *where, "-r", "-t")
    assert mqttwin(*order, "p/1", "-f", file).status == 0
    feed(monkeypatch, b"all of\nstdin")
    assert mqttwin(*order, "p/2", "-s").status == 0
    said = mqttwin("sub", *where, "-t", "p/+", "-C", 2, "-F", "%t:%l:%p")
    assert sorted(said.out.splitlines()) == ["p/1:11:from a file", "p/2:12:all of", "stdin"]
    assert mqttwin(*order, "p/1", "-n").status == 0
    assert mqttwin("sub", *where, "-t", "p/1", "-W", 0.1).status == 27


@pytest.mark.parametrize("qos", [1, 2])
def test_lines(mqttwin, where, monkeypatch, qos):
    lines = [f"line {n}".encode() for n in range(100)]
    mqttwin("sub", *where, "-i", "s", "-c", "-q", 2, "-t", "lines", "-E")
    feed(monkeypatch, b"\n".join(lines) + b"\r\n")
    said = mqttwin("pub", *where, "-t", "lines", "-l", "-q", qos)
    assert (said.status, said.err) == (0, "")
    said = mqttwin("sub", *where, "-i", "s", "-c", "-q", 2, "-t", "lines", "-C", 100)
    assert said.out.encode().splitlines() == lines


def test_repeating(mqttwin, where):
    mqttwin("sub", *where, "-i", "s", "-c", "-q", 1, "-t", "r", "-E")
    order = ("pub", *where, "-t", "r", "-m", "x", "-q", 1)
    said = mqttwin(*order, "--repeat", 3, "--repeat-delay", "1ms", "-d")
    assert said.err.count("acknowledged, reason code 0x00") == 3
    said = mqttwin("sub", *where, "-i", "s", "-c", "-q", 1, "-t", "r", "-C", 3, "-N")
    assert said.out == "xxx"


def test_a_message_that_is_refused(mqttwin, where):
    said = mqttwin("pub", *where, "-t", "a/#", "-m", "x")
    assert said.status == 1
    assert said.line.startswith("not published: wildcard in a topic name")


# --- sub ----------------------------------------------------------------------------------------


def test_properties_come_through(mqttwin, where):
    given = ("-D", "publish", "content-type", "text", "-D", "publish", "user-property", "k", "v")
    mqttwin("pub", *where, "-t", "a", "-m", "x", "-r", *given)
    said = mqttwin(
        *("sub", *where, "-t", "a", "-C", 1, "-D", "subscribe", "subscription-identifier", 7),
        *("-F", "%C %P %S"),
    )
    assert said.out == "text k:v 7\n"


def test_what_is_left_out(mqttwin, where):
    for topic in ("a/1", "a/2", "b/1"):
        mqttwin("pub", *where, "-t", topic, "-m", topic, "-r")
    said = mqttwin("sub", *where, "-t", "#", "-T", "a/2", "-T", "b/#", "-W", 0.3)
    assert (said.status, said.out) == (27, "a/1\n")
    said = mqttwin("sub", *where, "-t", "#", "-R", "-W", 0.2)
    assert (said.status, said.out) == (27, "")


def test_a_session_goes_on_and_is_left(mqttwin, where):
    session = ("sub", *where, "-i", "s", "-c", "-q", 1)
    assert mqttwin(*session, "-t", "a", "-E").status == 0
    mqttwin("pub", *where, "-t", "a", "-m", "1", "-q", 1)
    said = mqttwin(*session, "-t", "a", "-C", 1, "-d")
    assert said.out == "1\n"
    assert "the session goes on" in said.err
    assert mqttwin(*session, "-U", "a", "-E").status == 0
    mqttwin("pub", *where, "-t", "a", "-m", "2", "-q", 1)
    assert mqttwin(*session, "-t", "b", "-W", 0.2).out == ""


def test_a_lost_connection_is_made_again(capfd, monkeypatch):
    from mqttwin import cli

    # What pytest captures cannot be read while somebody writes: between reading and emptying it
    # a line gets lost now and then.
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    with mt.World() as world:
        broker = world.broker()
        with world.serve() as server:
            where = ["-h", server.host, "-p", str(server.port)]
            statuses = []
            order = ["sub", *where, "-t", "a", "-C", "1", "-d"]
            # asyncio needs no signals here: the command runs in a thread.
            thread = threading.Thread(target=lambda: statuses.append(cli.main(order)), daemon=True)
            thread.start()
            # Not only connected: else it gives up.
            wait_for(lambda: "subscribed to" in told.getvalue())
            broker.restart()
            wait_for(lambda: server.connections == 1)
            while thread.is_alive():
                cli.main(["pub", *where, "-t", "a", "-m", "x", "-r"])
                thread.join(0.1)
            assert statuses == [0]
    assert capfd.readouterr().out == "x\n"
    assert "again in 1 s" in told.getvalue()


def wait_for(condition):
    """With a deadline; the broker lives in another thread."""
    deadline = threading.Event()
    timer = threading.Timer(10, deadline.set)
    timer.start()
    try:
        while not condition():
            assert not deadline.wait(0.01)
    finally:
        timer.cancel()


# --- parts --------------------------------------------------------------------------------------

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=1)))
MESSAGE = mt.IncomingMessage(
    "a/b",
    b'{"x":1}',
    qos=1,
    retain=True,
    packet_id=9,
    properties={"user_properties": [("k", "v"), ("l", "w")], "correlation_data": b"\xff"},
)


@pytest.mark.parametrize(
    ("form", "rendered"),
    [
        ("%t|%p|%q|%r|%m|%l", b'a/b|{"x":1}|1|1|9|7'),
        ("%x %X", b"7b2278223a317d 7B2278223A317D"),
        ("%P [%D] [%C]", b"k:v l:w [\xff] []"),
        ("%I %U", b"2026-01-02T03:04:05+0100 1767319445.678901000"),
        ("@Y-@m @H:@M:@S.@N @@", b"2026-01 03:04:05.678901000 @"),
        (r"%%\t\n\\\0", b"%\t\n\\\0"),
        ("[%6t][%-6t][%06l][%.2p][%5.2p]", b'[   a/b][a/b   ][000007][{"][   {"]'),
        (
            "%J",
            b'{"tst":"2026-01-02T03:04:05.678901+0100","topic":"a/b","qos":1,"retain":1,'
            b'"payloadlen":7,"mid":9,"properties":{"user-properties":[["k","v"],["l","w"]],'
            b'"correlation-data":"\xef\xbf\xbd"},"payload":{"x":1}}',
        ),
        ("ü", "ü".encode()),
    ],
)
def test_formats(form, rendered):
    assert MessageFormat(form).render(MESSAGE, AT) == rendered


def test_a_payload_that_is_not_json():
    with pytest.raises(mt.ConfigError, match="not JSON"):
        MessageFormat("%J").render(mt.IncomingMessage("a", b"{"), AT)


def test_urls():
    assert Target.of_url("mqtts://u%40x:p%3A@h:1/a/b%20c") == Target(
        "h", 1, "u@x", "p:", "a/b c", True
    )
    assert Target.of_url("mqtt://[::1]") == Target("::1")


def test_properties_of_every_command():
    folded = [
        '["connect", "session-expiry-interval", "5"]',
        '["publish", "correlation-data", "x"]',
        '["will", "will-delay-interval", "7"]',
        '["disconnect", "user-property", "a", "b"]',
        '["disconnect", "user-property", "a", "c"]',
    ]
    assert properties.parse(folded) == {
        "connect": {"session_expiry_interval": 5},
        "publish": {"correlation_data": b"x"},
        "will": {"will_delay_interval": 7},
        "disconnect": {"user_properties": [("a", "b"), ("a", "c")]},
    }
