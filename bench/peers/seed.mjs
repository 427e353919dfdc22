// SPDX-License-Identifier: MIT
// seed.mjs: the stack that Carillon's picture grew from: Express, node-cron, better-sqlite3, axios.
//
// POST /jobs -> JobService -> Scheduler (a node-cron task for each job) -> HttpExecutor (3 retries
// after 1, 2 and 3 s, 30 s timeout) -> job_executions PENDING, RUNNING, SUCCESS or FAILED. Kept as
// plain as its architecture says: no queue, no batching, everything on one thread.

import axios from "axios";
import express from "express";
import cron from "node-cron";
import { Ledger, numberOf } from "./ledger.mjs";
import { headersFor, readArguments, run, sleep, TIMEOUT_MS, wantedJobs, Work } from "./peer.mjs";

const MAX_RETRIES = 3;

const options = readArguments();
const ledger = new Ledger(options.folder);
const work = new Work();
const tasks = new Map();

// --- HttpExecutor --------------------------------------------------------------------------------

async function callWithRetries(job, instantMs) {
  for (let retries = 0; ; retries++) {
    try {
      const body = { job_id: job.id, scheduled_at: new Date(instantMs).toISOString() };
      const headers = headersFor(numberOf(job), instantMs);
      const { status } = await axios.post(job.api, body, { headers, timeout: TIMEOUT_MS });
      return { httpStatus: status, retries };
    } catch (error) {
      if (retries === MAX_RETRIES)
        return { httpStatus: error.response?.status ?? null, error: error.message, retries };
      await sleep((retries + 1) * 1000);
    }
  }
}

// --- Scheduler -----------------------------------------------------------------------------------

async function executeJob(job, instantMs) {
  const id = ledger.createExecution(job.id, instantMs);
  ledger.start(id);
  const startedMs = Date.now();
  const outcome = await callWithRetries(job, instantMs);
  ledger.finish(id, { startedMs, ...outcome });
}

function scheduleJob(job) {
  const fire = ({ date }) => work.during(() => executeJob(job, date.getTime()));
  tasks.set(job.id, cron.schedule(job.schedule, fire));
}

function loadActiveJobs() {
  let jobs = ledger.activeJobs();
  if (jobs.length === 0) {
    ledger.createJobs(wantedJobs(options));
    jobs = ledger.activeJobs();
  }
  jobs.forEach(scheduleJob);
}

// --- Jobs Router ---------------------------------------------------------------------------------

function createJob(request, response) {
  const { schedule, api, type } = request.body ?? {};
  if (!cron.validate(schedule ?? "") || !URL.canParse(api))
    return response.status(400).json({ error: "schedule or api is not valid" });
  const job = ledger.createJob({ schedule, api, type });
  scheduleJob(job);
  return response.status(201).json(job);
}

const app = express();
app.use(express.json());
app.post("/jobs", createJob);
app.get("/jobs/:id/executions", (request, response) =>
  response.json(ledger.executionsOf(request.params.id, Number(request.query.limit ?? 5))),
);

loadActiveJobs();
const server = app.listen(0, "127.0.0.1", () =>
  run({
    seconds: options.seconds,
    port: server.address().port,
    stop: async () => {
      for (const task of tasks.values()) task.stop();
      await work.drain();
    },
    counts: () => ledger.counts(),
  }),
);
