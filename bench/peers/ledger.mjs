// SPDX-License-Identifier: MIT
// ledger.mjs: the seed's two tables and three indexes in SQLite, for the peers that bring no store.
//
// Random text ids, WAL, and better-sqlite3's own defaults, which sync at checkpoints only. Every
// statement is a transaction of its own, as in a program that calls one after the other.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import Database from "better-sqlite3";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, schedule TEXT NOT NULL, api TEXT NOT NULL, type TEXT NOT NULL,
    is_active INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS job_executions (
    id TEXT PRIMARY KEY, job_id TEXT NOT NULL REFERENCES jobs (id), status TEXT NOT NULL,
    scheduled_at TEXT NOT NULL, started_at TEXT, completed_at TEXT, duration INTEGER,
    http_status INTEGER, error TEXT, retry_count INTEGER NOT NULL DEFAULT 0);
  CREATE INDEX IF NOT EXISTS idx_job_executions_job_id ON job_executions (job_id);
  CREATE INDEX IF NOT EXISTS idx_job_executions_scheduled_at ON job_executions (scheduled_at);
  CREATE INDEX IF NOT EXISTS idx_jobs_is_active ON jobs (is_active);`;

const STATEMENTS = {
  insertJob: `INSERT INTO jobs VALUES (@id, @schedule, @api, @type, 1, @now, @now)`,
  job: `SELECT * FROM jobs WHERE id = ?`,
  activeJobs: `SELECT * FROM jobs WHERE is_active = 1`,
  insertExecution: `INSERT INTO job_executions (id, job_id, status, scheduled_at)
    VALUES (?, ?, 'PENDING', ?)`,
  start: `UPDATE job_executions SET status = 'RUNNING', started_at = ? WHERE id = ?`,
  finish: `UPDATE job_executions SET status = @status, completed_at = @completedAt,
    duration = @duration, http_status = @httpStatus, error = @error, retry_count = @retries
    WHERE id = @id`,
  executionsOf: `SELECT * FROM job_executions WHERE job_id = ?
    ORDER BY scheduled_at DESC LIMIT ?`,
  counts: `SELECT count(*) AS records, coalesce(sum(status = 'SUCCESS'), 0) AS succeeded
    FROM job_executions`,
};

export class Ledger {
  constructor(folder) {
    this.database = new Database(join(folder, "peer.db"));
    this.database.pragma("journal_mode = WAL");
    this.database.exec(SCHEMA);
    for (const [name, text] of Object.entries(STATEMENTS))
      this[`_${name}`] = this.database.prepare(text);
  }

  createJob({ schedule, api, type = "ATLEAST_ONCE" }) {
    const now = new Date().toISOString();
    const job = { id: randomUUID(), schedule, api, type, now };
    this._insertJob.run(job);
    return this._job.get(job.id);
  }

  // In one transaction, since making the jobs is not what is measured.
  createJobs(jobs) {
    this.database.transaction(() => jobs.forEach((job) => this.createJob(job)))();
  }

  activeJobs() {
    return this._activeJobs.all();
  }

  createExecution(jobId, instantMs) {
    const id = randomUUID();
    this._insertExecution.run(id, jobId, new Date(instantMs).toISOString());
    return id;
  }

  start(id) {
    this._start.run(new Date().toISOString(), id);
  }

  finish(id, { startedMs, httpStatus = null, error = null, retries = 0 }) {
    const now = new Date();
    this._finish.run({
      id,
      status: error === null ? "SUCCESS" : "FAILED",
      completedAt: now.toISOString(),
      duration: now.getTime() - startedMs,
      httpStatus,
      error,
      retries,
    });
  }

  executionsOf(jobId, limit) {
    return this._executionsOf.all(jobId, limit);
  }

  counts() {
    return this._counts.get();
  }
}

// What the target tells jobs apart by is the number at the end of the URL.
export function numberOf(job) {
  return Number(job.api.slice(job.api.lastIndexOf("/") + 1));
}
