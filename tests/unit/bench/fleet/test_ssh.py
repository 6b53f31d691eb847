"""Workers by ssh: how it is called, what its failure is told as, and that a lost connection is made again."""

import shlex
import shutil
import socket
import subprocess

import pytest

from tare.bench.errors import EnvironmentMissing
from tare.bench.fleet import ssh
from tare.bench.fleet.ssh import SshHosts, read_hosts
from tare.runners.errors import UsageError


class Child:
    """An ssh that has written its output, and has ended or not."""

    def __init__(self, code):
        self.code, self.waited, self.terminated = code, 0, False

    def poll(self):
        return self.code

    def wait(self, timeout=None):
        self.waited += 1
        if self.code is None and timeout is not None:
            raise subprocess.TimeoutExpired("ssh", timeout)

    def terminate(self):
        self.terminated, self.code = True, -15


@pytest.fixture
def started(monkeypatch):
    """Stand in for ssh: host → what it writes and its exit code; list what was called."""
    says, called, children = {}, [], []

    def start(command, log):
        called.append(command)
        text, code = says.get(command[-2], (b"", None))
        log.write(text)
        log.flush()
        children.append(Child(code))
        return children[-1]

    monkeypatch.setattr(ssh, "_start", start)
    return says, called, children


@pytest.fixture
def make():
    made = []

    def hosts(*names, **options):
        options.setdefault("say", [].append)
        made.append(SshHosts(names, 8786, options.pop("python", "python3"), options.pop("say"), **options))
        return made[-1]

    yield hosts
    for one in made:
        one.stack.close()


@pytest.mark.parametrize(
    ("text", "hosts"),
    [("a", ("a",)), ("a, root@b", ("a", "root@b")), ("2001:db8::1,c.example", ("2001:db8::1", "c.example"))],
)
def test_hosts_are_read(text, hosts):
    assert read_hosts(text) == hosts


@pytest.mark.parametrize("text", ["", "a,", "a,,b", "a,a", "-oProxyCommand=x", "a,-v"])
def test_what_is_no_host_is_refused(text):
    with pytest.raises(UsageError, match="give hosts as ssh calls them"):
        read_hosts(text)


def test_everything_stays_on_loopback_and_goes_through_ssh(started, make):
    _, called, _ = started
    make("north", "root@south", python="/opt/my tare/bin/python").start()
    assert [words[-2] for words in called] == ["north", "root@south"]
    for words in called:
        assert words[0] == "ssh"
        assert "BatchMode=yes" in words
        assert "ExitOnForwardFailure=yes" in words
        back, to = words[words.index("-R") + 1], words[words.index("-L") + 1]
        worker = shlex.split(words[-1])
        port = worker[worker.index("--worker-port") + 1]
        assert back == "127.0.0.1:8786:127.0.0.1:8786"
        assert to == f"127.0.0.1:{port}:127.0.0.1:{port}"
        assert worker[:5] == ["/opt/my tare/bin/python", "-m", "dask", "worker", "tcp://127.0.0.1:8786"]
        assert worker[worker.index("--host") + 1] == "127.0.0.1"
    assert called[0][called[0].index("-L") + 1] != called[1][called[1].index("-L") + 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"Warning: x\nroot@a: Permission denied (publickey).\n", "root@a: Permission denied (publickey)."),
        (b"bash: line 1: /opt/python: No such file or directory\r\n", "No such file or directory"),
        (b"caf\xe9\n", "caf�"),
        (b"", "it said nothing"),
    ],
)
def test_a_host_without_a_worker_is_told_with_the_reason(started, make, text, reason):
    says, called, _ = started
    says["a"] = (text, 255)
    hosts = make("a", "b")
    hosts.start()
    assert list(hosts.unreached()) == ["a"]
    assert hosts.unreached()["a"].endswith(reason)
    assert len(called) == 2  # what never worked is not tried again


def test_a_lost_connection_is_told_once_and_made_again(started, make):
    says, called, children = started
    says["a"] = (b"Registered to: tcp://127.0.0.1:8786\n", None)
    clock, told = [100.0], []
    hosts = make("a", say=told.append, now=lambda: clock[0])
    hosts.start()
    assert hosts.unreached() == {}
    children[0].code = 255
    for seconds in (0.0, 1.0, 8.9):
        clock[0] = 100.0 + seconds
        assert hosts.unreached() == {}
    assert told == ["the connection to a ended; it is tried again"]
    assert len(called) == 1
    clock[0] = 110.0
    hosts.unreached()
    assert called == [called[0]] * 2
    children[1].code = 255
    hosts.unreached()
    assert len(told) == 2


def test_at_the_end_what_does_not_end_is_ended(started, make, monkeypatch):
    _, _, children = started
    monkeypatch.setattr(ssh, "_END_SECONDS", 0.0)
    hosts = make("a", "b")
    hosts.start()
    children[0].code = 0
    hosts.close()
    assert [one.terminated for one in children] == [False, True]
    assert all(one.log.closed for one in hosts.reached)


def test_without_ssh_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with (
        pytest.raises(EnvironmentMissing, match="apt install openssh-client"),
        ssh.ssh_cluster((), "python3", print),
    ):
        pass


def test_a_port_that_is_given_out_can_be_had():
    with socket.socket() as one:
        one.bind(("127.0.0.1", ssh._free_port()))
