// SPDX-License-Identifier: MIT
// bullmq.mjs: BullMQ with Redis: a job scheduler for each job, one worker.
//
// The durable record is the finished BullMQ job, which is kept. Redis runs with its append-only
// file, synced once a second.

import { Queue, Worker } from "bullmq";
import { Agent, request } from "undici";
import { headersFor, readArguments, run, wantedJobs } from "./peer.mjs";

const CONCURRENCY = 256;
const CREATED_AT_ONCE = 1000;

const options = readArguments();
const connection = { path: options.store, maxRetriesPerRequest: null };
const dispatcher = new Agent({ connections: 128 });
const queue = new Queue("executions", { connection });

async function createSchedulers() {
  const jobs = wantedJobs(options);
  for (let first = 0; first < jobs.length; first += CREATED_AT_ONCE)
    await Promise.all(
      jobs
        .slice(first, first + CREATED_AT_ONCE)
        .map(({ number, schedule, api }) =>
          queue.upsertJobScheduler(
            `job-${number}`,
            { pattern: schedule },
            { name: "call", data: { number, api }, opts: { attempts: 4 } },
          ),
        ),
    );
}

// BullMQ's id of an occurrence is "repeat:<scheduler>:<instant in ms>".
async function execute(job) {
  const instantMs = Number(job.id.slice(job.id.lastIndexOf(":") + 1));
  const { number, api } = job.data;
  const headers = headersFor(number, instantMs);
  const body = JSON.stringify({ job_id: number });
  const answer = await request(api, { method: "POST", headers, body, dispatcher });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`status ${answer.statusCode}`);
  return answer.statusCode;
}

if ((await queue.getJobSchedulersCount()) === 0) await createSchedulers();
const worker = new Worker("executions", execute, { connection, concurrency: CONCURRENCY });
worker.on("error", (error) => console.error(error.message));
await worker.waitUntilReady();

await run({
  seconds: options.seconds,
  stop: () => worker.close(),
  counts: async () => {
    const { completed, failed } = await queue.getJobCounts("completed", "failed");
    return { records: completed + failed, succeeded: completed };
  },
});
