// SPDX-License-Identifier: MIT
// cron_peers.mjs: nanoseconds per call of croner's nextRun(), for bench/cron.sh.
//
// Reads "name <tab> text <tab> ..." lines of `cron_bench --tsv` from standard input and writes them
// back with croner's nanoseconds per call and per construction added. The same zones and starting
// points as in cron_bench.c; the best of several rounds, after warming up.

import { readFileSync } from "node:fs";
import { Cron } from "croner";

const ROUNDS = 5;
const ROUND_NS = 60e6;
const STARTS = 64;

function starts(from) {
  const first = Date.parse(from);
  return Array.from({ length: STARTS }, (_, i) => new Date(first + i * 1350000));
}

function bestOf(run) {
  let calls = 1;
  let spent = 0;
  while (spent < ROUND_NS) {
    calls *= 2;
    const start = process.hrtime.bigint();
    run(calls);
    spent = Number(process.hrtime.bigint() - start);
  }
  let best = spent / calls;
  for (let round = 1; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    run(calls);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / calls);
  }
  return best;
}

for (const line of readFileSync(0, "utf8").trim().split("\n")) {
  const [name, text, zone, from] = line.split("\t");
  const options = { timezone: zone, paused: true, fixedTimeRule: "no-wildcard" };
  const cron = new Cron(text, options);
  const points = starts(from);
  let kept;
  const next = bestOf((calls) => {
    for (let i = 0; i < calls; i++) kept = cron.nextRun(points[i % STARTS]);
  });
  const parsed = bestOf((calls) => {
    for (let i = 0; i < calls; i++) kept = new Cron(text, options);
  });
  console.log(`${line}\t${next.toFixed(1)}\t${parsed.toFixed(1)}`);
}
