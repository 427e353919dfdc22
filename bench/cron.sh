#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/cron.sh: our `next` beside croner's on Node.js, in one run, as a table.
#
# Needs `make build/release/bench/cron_bench`, node and npm. croner is installed under build/, never
# into the tree.

set -eu
cd "$(dirname "$0")/.."

peers=build/bench/peers
mkdir -p "$peers"
cp bench/package.json bench/cron_peers.mjs "$peers"
(cd "$peers" && npm install --silent --no-audit --no-fund --no-package-lock)

build/release/bench/cron_bench --tsv | node "$peers/cron_peers.mjs" | awk -F '\t' '
    BEGIN {
        printf "%-33s %-24s %8s %8s %10s %9s %6s\n", "", "", "next ns", "parse ns", "croner ns",
            "parse ns", "times"
    }
    {
        printf "%-33s %-24s %8.1f %8.0f %10.0f %9.0f %6.0f\n", $1, $2, $5, $6, $7, $8, $7 / $5
    }'
