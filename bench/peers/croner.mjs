// SPDX-License-Identifier: MIT
// croner.mjs: what a careful engineer might put together today: croner, SQLite, undici.
//
// A Cron object for each job, two writes for each execution (PENDING before the request, the
// outcome after it), and a pool of kept connections.

import { Cron } from "croner";
import { Agent, request } from "undici";
import { Ledger, numberOf } from "./ledger.mjs";
import {
  headersFor,
  readArguments,
  run,
  secondOf,
  TIMEOUT_MS,
  wantedJobs,
  Work,
} from "./peer.mjs";

const CONNECTIONS = 128;

const options = readArguments();
const ledger = new Ledger(options.folder);
const work = new Work();
const dispatcher = new Agent({ connections: CONNECTIONS, bodyTimeout: TIMEOUT_MS });

async function call(job, instantMs) {
  const body = JSON.stringify({ job_id: job.id });
  const headers = headersFor(numberOf(job), instantMs);
  try {
    const answer = await request(job.api, { method: "POST", headers, body, dispatcher });
    await answer.body.dump();
    const error = answer.statusCode < 300 ? null : `status ${answer.statusCode}`;
    return { httpStatus: answer.statusCode, error };
  } catch (error) {
    return { error: error.message };
  }
}

async function execute(job, instantMs) {
  const id = ledger.createExecution(job.id, instantMs);
  const startedMs = Date.now();
  ledger.finish(id, { startedMs, ...(await call(job, instantMs)) });
}

if (ledger.activeJobs().length === 0) ledger.createJobs(wantedJobs(options));
const crons = ledger
  .activeJobs()
  .map(
    (job) =>
      new Cron(job.schedule, (self) =>
        work.during(() => execute(job, secondOf(self.currentRun()))),
      ),
  );

await run({
  seconds: options.seconds,
  stop: async () => {
    for (const cron of crons) cron.stop();
    await work.drain();
  },
  counts: () => ledger.counts(),
});
