# SPDX-License-Identifier: MIT
"""An authority of a test's own, which signs certificates of servers and clients by openssl."""

import ssl
import subprocess

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def run_openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        self._make(name, self.certificate, self.key, "-addext", "basicConstraints=critical,CA:TRUE")

    def _make(self, name, certificate, key, *more):
        make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        files = ("-keyout", key, "-out", certificate)
        run_openssl(*make.split(), "-subj", f"/CN={name}", *files, *more)

    def sign(self, name, file=None):
        """The files of a certificate for this name, and of its key."""
        certificate, key = self.folder / f"{file or name}.pem", self.folder / f"{file or name}.key"
        signed_by = ("-CA", self.certificate, "-CAkey", self.key)
        self._make(name, certificate, key, *signed_by, "-addext", NAMES)
        return certificate, key

    def client(self, pair=None, version=None):
        """A context that trusts this authority, and shows this certificate."""
        context = ssl.create_default_context(cafile=self.certificate)
        if pair:
            context.load_cert_chain(*pair)
        if version:
            context.minimum_version = context.maximum_version = version
        return context
