// SPDX-License-Identifier: MIT
// pgboss.mjs: pg-boss with PostgreSQL, as near to the same work as it can get.
//
// Its own schedules fire once a minute at most. So the jobs of each second are sent with its send,
// many at once, a second ahead and with a start time, and its workers, which may look twice a
// second at most, take them in batches. An idle job is one sent for next year. The durable record
// is the finished row.

import PgBoss from "pg-boss";
import { Agent, request } from "undici";
import {
  DRAIN_MS,
  EVERY_SECOND,
  headersFor,
  readArguments,
  run,
  sleep,
  wantedJobs,
} from "./peer.mjs";

const QUEUE = "executions";
const WORKERS = 4;
const BATCH = 250;
const POLL_SECONDS = 0.5;
const FETCH_MS = 500;
const SENT_AT_ONCE = 5000;
const YEAR_MS = 365 * 86_400_000;

const options = readArguments();
const boss = new PgBoss({ host: options.store, user: "postgres", database: "postgres" });
const dispatcher = new Agent({ connections: 128 });
const jobs = wantedJobs(options);
const active = jobs.slice(0, options.jobs);
boss.on("error", (error) => console.error(error.message));

async function send(list, instantMs) {
  const startAfter = new Date(instantMs);
  for (let first = 0; first < list.length; first += SENT_AT_ONCE)
    await boss.insert(
      list
        .slice(first, first + SENT_AT_ONCE)
        .map(({ number, api }) => ({ name: QUEUE, data: { number, api, instantMs }, startAfter })),
    );
}

async function execute({ data: { number, api, instantMs } }) {
  const headers = headersFor(number, instantMs);
  const body = JSON.stringify({ job_id: number });
  const answer = await request(api, { method: "POST", headers, body, dispatcher });
  await answer.body.dump();
  if (answer.statusCode >= 300) throw new Error(`status ${answer.statusCode}`);
}

// Sends the next second's jobs in the middle of this one.
let timer;
let lastMs = Math.ceil(Date.now() / 1000) * 1000;
function sendEverySecond() {
  timer = setInterval(() => {
    const nextMs = Math.ceil(Date.now() / 1000) * 1000 + 1000;
    for (; lastMs < nextMs; lastMs += 1000) send(active, lastMs + 1000).catch(console.error);
  }, 500);
}

// The instant that a schedule of fixed second, minute and hour names, today.
function instantOf(schedule) {
  const [second, minute, hour] = schedule.split(" ").map(Number);
  return new Date().setUTCHours(hour, minute, second, 0);
}

await boss.start();
await boss.createQueue(QUEUE);
if ((await boss.getQueueSize(QUEUE)) === 0)
  await send(jobs.slice(options.jobs), Date.now() + YEAR_MS);
for (let i = 0; i < WORKERS; i++)
  await boss.work(QUEUE, { batchSize: BATCH, pollingIntervalSeconds: POLL_SECONDS }, (batch) =>
    Promise.all(batch.map(execute)),
  );
if (options.schedule === EVERY_SECOND) sendEverySecond();
else await send(active, instantOf(options.schedule));

async function query(columns) {
  const sql = `SELECT ${columns} FROM pgboss.job WHERE name = '${QUEUE}'`;
  return (await boss.getDb().executeSql(sql)).rows[0];
}

await run({
  seconds: options.seconds,
  stop: async () => {
    clearInterval(timer);
    await boss.offWork(QUEUE);
    await sleep(FETCH_MS); // A worker that is fetching still carries out what it gets.
    const deadline = Date.now() + DRAIN_MS;
    const underWay = () => query("count(*) FILTER (WHERE state = 'active') AS jobs");
    while (Number((await underWay()).jobs) > 0 && Date.now() < deadline) await sleep(50);
  },
  counts: async () => {
    const { succeeded, failed } = await query(`
      count(*) FILTER (WHERE state = 'completed') AS succeeded,
      count(*) FILTER (WHERE state = 'failed') AS failed`);
    return { records: Number(succeeded) + Number(failed), succeeded: Number(succeeded) };
  },
});
