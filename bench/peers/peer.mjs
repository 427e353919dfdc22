// SPDX-License-Identifier: MIT
// peer.mjs: what the peers have in common, so that each of them is only its own way to do the work.
//
//     node NAME.mjs N URL FOLDER SECONDS [--schedule TEXT] [--idle M] [--store SOCKET]
//
// A peer runs N jobs on the schedule (every second unless said otherwise) and holds M idle ones,
// keeps its data in FOLDER or in the server that listens on SOCKET, and POSTs to URL/NUMBER of each
// job. It prints one JSON line when all jobs are scheduled and one at the end, after SECONDS or at
// SIGTERM, when the requests under way are over: how many executions have a durable record, and how
// many of them succeeded. Jobs which the store already has are loaded instead of made.

import { parseArgs } from "node:util";

export const EVERY_SECOND = "* * * * * *";
export const YEARLY = "0 0 0 1 1 *";
export const TIMEOUT_MS = 30_000;
export const DRAIN_MS = 5_000;

export function readArguments() {
  const text = { type: "string" };
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { schedule: text, idle: text, store: text },
  });
  const [jobs, url, folder, seconds] = positionals;
  return {
    jobs: Number(jobs),
    url,
    folder,
    seconds: Number(seconds),
    schedule: values.schedule ?? EVERY_SECOND,
    idle: Number(values.idle ?? 0),
    store: values.store,
  };
}

// The jobs that a fresh store needs: {number, schedule, api}. The idle ones have the last numbers.
export function wantedJobs({ jobs, idle, schedule, url }) {
  return Array.from({ length: jobs + idle }, (_, number) => ({
    number,
    schedule: number < jobs ? schedule : YEARLY,
    api: `${url}/${number}`,
  }));
}

// For libraries that do not say which instant they fire for: the whole second that has begun.
export function secondOf(date) {
  return Math.floor(date.getTime() / 1000) * 1000;
}

// By these the target tells occurrences apart and computes how late each one is.
export function headersFor(number, instantMs) {
  return {
    "content-type": "application/json",
    "idempotency-key": `"${number}-${instantMs}"`,
    "carillon-scheduled-at": new Date(instantMs).toISOString(),
  };
}

export function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// Counts what is under way, so that the end can wait for it.
export class Work {
  #underWay = 0;

  async during(act) {
    this.#underWay++;
    try {
      return await act();
    } finally {
      this.#underWay--;
    }
  }

  async drain() {
    const deadline = Date.now() + DRAIN_MS;
    while (this.#underWay > 0 && Date.now() < deadline) await sleep(20);
  }
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Says that everything is scheduled, works for as long as it may, and ends the process: stop() ends
// the scheduling and waits, counts() answers {records, succeeded}.
export async function run({ seconds, stop, counts, port }) {
  const ended = new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    setTimeout(resolve, seconds * 1000);
  });
  say({ ready: true, port });
  await ended;
  await stop();
  say(await counts());
  process.exit(0);
}
