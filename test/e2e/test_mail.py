# SPDX-License-Identifier: MIT
"""Mails of alerts, taken by a real mail server and read by another program's parser."""

import email
import email.policy
import socket
from types import SimpleNamespace

import pytest
from harness.authority import Authority
from harness.mail import MailServer
from harness.teller import EVIL, FAILURE, HERD, NOTICES, RECOVERY, run_teller

LOGIN = ("carillon", "pass word\u00e9")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.sign("localhost")


def settings(server, security="none", **more):
    return {"host": "127.0.0.1", "port": server.port, "security": security,
            "from": "carillon@b.test", "to": ["ops@c.test"], **more}


def send(server, notice=FAILURE, security="none", authority=None, ca=True, **more):
    names = {"deny", "copies", "timeout_ms", "turns"} & more.keys()
    options = {name: more.pop(name) for name in names}
    if authority:
        options["ca_file"] = str(authority.certificate)
    return run_teller("email", settings(server, security, **more), notice, **options)


def read(mail):
    """The message as a parser sees it that reports whatever is wrong."""
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    parts = [message, *message.iter_parts()]
    assert [part.defects for part in parts] == [[], [], []]
    assert all(not header.defects for part in parts for header in part.values())
    return message


def body(message, kind):
    return message.get_body((kind,)).get_content()


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
@pytest.mark.parametrize("login", [None, LOGIN])
def test_a_mail_arrives_in_the_way_that_the_channel_wants(authority, pair, security, login):
    secured = security != "none"
    with MailServer(pair if secured else None, starttls=security == "starttls",
                    tls=security == "tls", login=login) as server:
        more = {"username": login[0], "password": login[1]} if login else {}
        [outcome] = send(server, security=security, authority=authority, **more)
        assert outcome["verdict"] == "arrived", outcome
        [mail] = server.mails
        assert mail.over_tls == secured
        assert mail.sender == "carillon@b.test" and mail.recipients == ["ops@c.test"]
        assert mail.login == (login[0].encode() if login else None)


def test_a_wrong_password_is_refused_for_good(authority, pair):
    with MailServer(pair, tls=True, login=LOGIN) as server:
        [outcome] = send(server, security="tls", authority=authority, username="carillon",
                         password="wrong")
        assert outcome["verdict"] == "refused" and outcome["status"] == 535
        assert server.mails == []


def test_nothing_is_sent_without_the_tls_that_was_asked_for(authority, pair):
    with MailServer() as server:
        [outcome] = send(server, security="starttls", authority=authority, username="a",
                         password="b")
        assert outcome["verdict"] == "again"
        assert outcome["error"] == "the mail server offers no STARTTLS"
        assert server.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_somebody_else_is_not_believed(tmp_path, pair, security):
    stranger = Authority(tmp_path, "stranger")
    with MailServer(pair, starttls=security == "starttls", tls=security == "tls") as server:
        [outcome] = send(server, security=security, authority=stranger)
        assert outcome["verdict"] == "again" and "certificate" in outcome["error"], outcome
        assert server.mails == []


def test_an_address_that_jobs_may_not_call_is_no_mail_server():
    with MailServer() as server:
        [outcome] = send(server, deny="loopback")
        assert outcome["error"] == "127.0.0.1 is a loopback address, which deny_targets denies"
        assert server.mails == []


def test_refusals_are_told_apart_by_their_code():
    with MailServer() as server:
        [outcome] = send(server, to=["nobody@c.test"])
        assert outcome["verdict"] == "refused"
        assert outcome["judged"] == "the mail server answered 550: no such user"
        [outcome] = send(server, to=["later@c.test"])
        assert outcome["verdict"] == "again" and outcome["status"] == 451
        [outcome] = send(server, to=["nobody@c.test", "ops@c.test"])
        assert outcome["verdict"] == "arrived"
        assert [mail.recipients for mail in server.mails] == [["ops@c.test"]]


def test_a_server_that_says_nothing_costs_its_time_and_no_more():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        [outcome] = send(SimpleNamespace(port=silent.getsockname()[1]), timeout_ms=300)
        assert outcome["verdict"] == "again"
        assert outcome["error"] == "the mail server took too long"


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
def test_a_mailer_is_closed_with_mails_under_way(turns):
    with MailServer() as server:
        assert len(send(server, copies=3, turns=turns)) <= 3


def test_a_server_that_is_not_there_is_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = SimpleNamespace(port=listener.getsockname()[1])
    [outcome] = send(gone)
    assert outcome["verdict"] == "again" and outcome["status"] == 0 and outcome["error"]


def test_many_mails_are_under_way_at_once():
    with MailServer() as server:
        outcomes = send(server, copies=20)
        assert sorted(o["ticket"] for o in outcomes) == list(range(20))
        assert {o["verdict"] for o in outcomes} == {"arrived"} and len(server.mails) == 20


def test_an_incident_is_one_thread():
    with MailServer() as server:
        for notice in (FAILURE, RECOVERY):
            send(server, notice)
        opened, closed = map(read, server.mails)
    assert opened["Message-ID"] == "<carillon-delivery-12@b.test>"
    assert closed["Message-ID"] == "<carillon-delivery-13@b.test>"
    assert opened["References"] == closed["References"] == "<carillon-incident-3@b.test>"
    assert opened["Auto-Submitted"] == "auto-generated"
    assert opened["Subject"] == "[Carillon] Job backup fails"
    assert opened["Date"].datetime.isoformat() == "2030-01-01T00:00:00+00:00"
    assert body(opened, "plain").splitlines() == [
        "Job backup fails", "", "it failed after 4 attempts: timeout", "",
        "https://carillon.test/jobs/7"]


def test_a_herd_is_one_mail():
    with MailServer() as server:
        send(server, HERD)
        message = read(server.mails[0])
    lines = body(message, "plain").splitlines()
    assert lines[0] == "10,000 alerts: 9,999 failure, 1 clock"
    assert "9,990 more alerts are not shown here." in lines
    assert sum(line.startswith("\u2022 job-") for line in lines) == 10


@pytest.mark.parametrize("notice", NOTICES)
def test_whatever_a_notice_says_its_mail_is_well_formed(notice):
    with MailServer() as server:
        [outcome] = send(server, notice)
        assert outcome["verdict"] == "arrived"
        message = read(server.mails[0])
    assert message["To"] == "ops@c.test" and message["Bcc"] is None
    assert message["Subject"].startswith("[Carillon] ")
    assert "<script" not in body(message, "html")
    assert all(len(line) <= 78 for line in server.mails[0].content.splitlines())


def test_a_nasty_text_comes_through_as_it_is():
    with MailServer() as server:
        send(server, EVIL)
        message = read(server.mails[0])
    assert "<script>alert(1)</script> @everyone" in body(message, "plain")
    assert "&lt;script&gt;" in body(message, "html")
    assert "." in body(message, "plain").splitlines()  # Which would end a message of SMTP.
