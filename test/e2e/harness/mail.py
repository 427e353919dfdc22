# SPDX-License-Identifier: MIT
"""A mail server of a test's own (aiosmtpd), on a port that the kernel chooses.

It keeps what it takes. With `tls` it speaks TLS from the first byte, with `starttls` it demands
that a client turns to TLS; with `login` it takes mail only from who knows that name and password.
Refused is mail for an address that begins with "nobody" (550), and delayed that for "later" (451).
"""

import socket
import ssl
import sys
from dataclasses import dataclass

import pytest

try:
    from aiosmtpd.controller import Controller
except ImportError:  # Debian's package, beside a python of one's own.
    sys.path.append("/usr/lib/python3/dist-packages")
    Controller = pytest.importorskip("aiosmtpd.controller").Controller
from aiosmtpd.smtp import AuthResult, SMTP  # noqa: E402

REFUSALS = {"nobody": "550 no such user", "later": "451 4.7.1 greylisted"}


@dataclass(frozen=True)
class Mail:
    sender: str
    recipients: list
    content: bytes
    over_tls: bool
    login: bytes


class _Handler:
    def __init__(self, mails):
        self.mails = mails

    async def handle_RCPT(self, server, session, envelope, address, options):
        for beginning, refusal in REFUSALS.items():
            if address.startswith(beginning):
                return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(
            Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content,
                 server.transport.get_extra_info("ssl_object") is not None, session.auth_data)
        )
        return "250 2.0.0 taken"


class _Controller(Controller):
    """Listens on a socket that is there already, so that its port is known."""

    def __init__(self, handler, listener, tls, options):
        self.listener, self.options = listener, options
        super().__init__(handler, hostname="127.0.0.1", port=listener.getsockname()[1],
                         ssl_context=tls)

    def factory(self):
        return SMTP(self.handler, **self.options)

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, sock=self.listener,
                                       ssl=self.ssl_context)


class MailServer:
    def __init__(self, pair=None, starttls=False, tls=False, login=None):
        self.mails = []
        context = None
        if pair:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*pair)
        options = {"auth_require_tls": bool(pair) and not tls}
        if starttls:
            options |= {"tls_context": context, "require_starttls": True}
        if login:
            options |= {"auth_required": True, "authenticator": self._authenticator(login)}
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.controller = _Controller(_Handler(self.mails), listener, context if tls else None,
                                      options)

    @staticmethod
    def _authenticator(login):
        def authenticate(server, session, envelope, mechanism, data):
            good = (data.login.decode(), data.password.decode()) == login
            return AuthResult(success=good, handled=False, auth_data=data.login)
        return authenticate

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()
