// SPDX-License-Identifier: MIT
// routes.c: the table of everything that can be asked for.

#include "api/api_priv.h"

static const char *const of_jobs[] = {
    "q", "tag", "is_active", "last_status", "next_run_before", "sort", "limit", "cursor", NULL};
#define OF_EXECUTIONS                                                                              \
    "status", "trigger", "from", "to", "http_status", "min_lateness_ms", "limit", "cursor", NULL
static const char *const of_job_executions[] = {OF_EXECUTIONS};
static const char *const of_executions[] = {"job_id", OF_EXECUTIONS};
static const char *const of_replays[] = {"job_id", "dry_run", OF_EXECUTIONS};
static const char *const of_complete[] = {"token", NULL};
static const char *const of_job_alerts[] = {"kind", "incident_id", "limit", "cursor", NULL};
static const char *const of_alerts[] = {"job_id", "kind", "incident_id", "limit", "cursor", NULL};
static const char *const of_audit[] = {"action", "job_id", "token",  "from",
                                       "to",     "limit",  "cursor", NULL};
static const char *const of_pages[] = {"limit", "cursor", NULL};
static const char *const of_deliveries[] = {"limit", NULL};
static const char *const of_upcoming[] = {"q", "tag", "until", "limit", "cursor", NULL};
static const char *const of_explain[] = {"at", NULL};
static const char *const of_pings[] = {"rid", "run", NULL};
static const char *const of_import[] = {"dry_run",       "timezone",   "system",
                                        "skip_existing", "key_prefix", NULL};

const char *const parameters_of_all[] = {"pretty", NULL};

const struct route routes[] = {
    {"GET", "/", handle_index, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_NONE, BOUND_FREE},
    {"GET", "/openapi.json", handle_openapi, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_NONE,
     BOUND_FREE},

    {"POST", "/jobs", handle_create_job, NULL, BODY_REQUIRED, true, ASKS_FOR_KEY, SCOPE_WRITE,
     BOUND_OWN},
    {"POST", "/jobs/test", handle_test_job, NULL, BODY_REQUIRED, true, ASKS_NEVER, SCOPE_WRITE,
     BOUND_OWN},
    {"POST", "/jobs/bulk", handle_bulk, NULL, BODY_REQUIRED, true, ASKS_ALWAYS, SCOPE_WRITE,
     BOUND_NEVER},
    {"GET", "/jobs", handle_list_jobs, of_jobs, BODY_NONE, false, ASKS_ALWAYS, SCOPE_READ,
     BOUND_OWN},
    {"GET", "/jobs/:job", handle_get_job, NULL, BODY_NONE, false, ASKS_ALWAYS, SCOPE_READ,
     BOUND_JOB},
    {"PUT", "/jobs/:job", handle_put_job, NULL, BODY_REQUIRED, true, ASKS_ALWAYS, SCOPE_WRITE,
     BOUND_JOB},
    {"PATCH", "/jobs/:job", handle_patch_job, NULL, BODY_REQUIRED, true, ASKS_ALWAYS, SCOPE_WRITE,
     BOUND_JOB},
    {"DELETE", "/jobs/:job", handle_delete_job, NULL, BODY_NONE, true, ASKS_ALWAYS, SCOPE_WRITE,
     BOUND_JOB},
    {"POST", "/jobs/:job/pause", handle_pause_job, NULL, BODY_OPTIONAL, true, ASKS_ALWAYS,
     SCOPE_WRITE, BOUND_JOB},
    {"POST", "/jobs/:job/resume", handle_resume_job, NULL, BODY_OPTIONAL, true, ASKS_ALWAYS,
     SCOPE_WRITE, BOUND_JOB},
    {"POST", "/jobs/:job/trigger", handle_trigger_job, NULL, BODY_OPTIONAL, true, ASKS_FOR_KEY,
     SCOPE_TRIGGER, BOUND_JOB},
    {"POST", "/jobs/:job/backfill", handle_backfill_job, NULL, BODY_REQUIRED, true, ASKS_ALWAYS,
     SCOPE_TRIGGER, BOUND_JOB},
    {"GET", "/jobs/by-key/:key", handle_get_job_by_key, NULL, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_KEY},
    {"PUT", "/jobs/by-key/:key", handle_put_job_by_key, NULL, BODY_REQUIRED, true, ASKS_ALWAYS,
     SCOPE_WRITE, BOUND_KEY},
    {"DELETE", "/jobs/by-key/:key", handle_delete_job_by_key, NULL, BODY_NONE, true, ASKS_ALWAYS,
     SCOPE_WRITE, BOUND_KEY},
    {"GET", "/jobs/:job/executions", handle_job_executions, of_job_executions, BODY_NONE, false,
     ASKS_ALWAYS, SCOPE_READ, BOUND_JOB},
    {"GET", "/jobs/:job/alerts", handle_job_alerts, of_job_alerts, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_JOB},
    {"GET", "/jobs/:job/explain", handle_explain, of_explain, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_JOB},

    {"GET", "/ping/:ping", handle_ping, of_pings, BODY_NONE, true, ASKS_ALWAYS, SCOPE_NONE,
     BOUND_FREE},
    {"POST", "/ping/:ping", handle_ping, of_pings, BODY_OWN, true, ASKS_ALWAYS, SCOPE_NONE,
     BOUND_FREE},
    {"GET", "/ping/:ping/:word", handle_ping, of_pings, BODY_NONE, true, ASKS_ALWAYS, SCOPE_NONE,
     BOUND_FREE},
    {"POST", "/ping/:ping/:word", handle_ping, of_pings, BODY_OWN, true, ASKS_ALWAYS, SCOPE_NONE,
     BOUND_FREE},

    {"GET", "/executions", handle_executions, of_executions, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_PARAMETER},
    {"GET", "/executions/:execution", handle_execution, NULL, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_EXECUTION},
    {"POST", "/executions/replay", handle_replay_executions, of_replays, BODY_NONE, true,
     ASKS_ALWAYS, SCOPE_TRIGGER, BOUND_PARAMETER},
    {"POST", "/executions/:execution/replay", handle_replay_execution, NULL, BODY_NONE, true,
     ASKS_ALWAYS, SCOPE_TRIGGER, BOUND_EXECUTION},
    {"POST", "/executions/:execution/cancel", handle_cancel_execution, NULL, BODY_NONE, true,
     ASKS_ALWAYS, SCOPE_TRIGGER, BOUND_EXECUTION},
    // Or with the callback of the attempt, instead of a token.
    {"POST", "/executions/:execution/complete", handle_complete_execution, of_complete,
     BODY_REQUIRED, true, ASKS_ALWAYS, SCOPE_TRIGGER, BOUND_EXECUTION},

    {"GET", "/events", handle_events, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_READ, BOUND_NEVER},
    {"GET", "/upcoming", handle_upcoming, of_upcoming, BODY_NONE, false, ASKS_ALWAYS, SCOPE_READ,
     BOUND_OWN},

    {"GET", "/alerts/:alert", handle_alert, NULL, BODY_NONE, false, ASKS_ALWAYS, SCOPE_READ,
     BOUND_ALERT},
    {"POST", "/alerts/:alert/ack", handle_ack_alert, NULL, BODY_NONE, true, ASKS_ALWAYS,
     SCOPE_TRIGGER, BOUND_ALERT},

    {"GET", "/channels", handle_list_channels, NULL, BODY_NONE, false, ASKS_ALWAYS, SCOPE_READ,
     BOUND_NEVER},
    {"POST", "/channels", handle_create_channel, NULL, BODY_REQUIRED, true, ASKS_ALWAYS,
     SCOPE_ADMIN, BOUND_NEVER},
    {"GET", "/channels/:channel", handle_get_channel, NULL, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_NEVER},
    {"PUT", "/channels/:channel", handle_put_channel, NULL, BODY_REQUIRED, true, ASKS_ALWAYS,
     SCOPE_ADMIN, BOUND_NEVER},
    {"DELETE", "/channels/:channel", handle_delete_channel, NULL, BODY_NONE, true, ASKS_ALWAYS,
     SCOPE_ADMIN, BOUND_NEVER},
    {"POST", "/channels/:channel/test", handle_test_channel, NULL, BODY_NONE, true, ASKS_ALWAYS,
     SCOPE_ADMIN, BOUND_NEVER},
    {"GET", "/channels/:channel/deliveries", handle_channel_deliveries, of_deliveries, BODY_NONE,
     false, ASKS_ALWAYS, SCOPE_READ, BOUND_NEVER},
    {"GET", "/deliveries/:delivery", handle_get_delivery, NULL, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_NEVER},
    {"GET", "/silences", handle_list_silences, NULL, BODY_NONE, false, ASKS_ALWAYS, SCOPE_READ,
     BOUND_OWN},
    {"POST", "/silences", handle_create_silence, NULL, BODY_REQUIRED, true, ASKS_ALWAYS,
     SCOPE_WRITE, BOUND_OWN},
    {"GET", "/silences/:silence", handle_get_silence, NULL, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_OWN},
    {"DELETE", "/silences/:silence", handle_delete_silence, NULL, BODY_NONE, true, ASKS_ALWAYS,
     SCOPE_WRITE, BOUND_OWN},

    {"POST", "/schedules/preview", handle_preview, NULL, BODY_REQUIRED, false, ASKS_NEVER,
     SCOPE_READ, BOUND_FREE},

    {"GET", "/export", handle_export, of_pages, BODY_NONE, false, ASKS_ALWAYS, SCOPE_READ,
     BOUND_NEVER},
    {"POST", "/import", handle_import, of_import, BODY_OWN, true, ASKS_ALWAYS, SCOPE_WRITE,
     BOUND_NEVER},

    {"GET", "/tokens", handle_list_tokens, NULL, BODY_NONE, false, ASKS_ALWAYS, SCOPE_ADMIN,
     BOUND_NEVER},
    {"POST", "/tokens", handle_create_token, NULL, BODY_REQUIRED, true, ASKS_ALWAYS, SCOPE_ADMIN,
     BOUND_NEVER},
    {"DELETE", "/tokens/:token", handle_revoke_token, NULL, BODY_NONE, true, ASKS_ALWAYS,
     SCOPE_ADMIN, BOUND_NEVER},
    {"POST", "/secrets/rotate", handle_rotate_secrets, NULL, BODY_NONE, true, ASKS_ALWAYS,
     SCOPE_ADMIN, BOUND_NEVER},

    {"POST", "/admin/clock/accept", handle_accept_clock, NULL, BODY_NONE, true, ASKS_NEVER,
     SCOPE_ADMIN, BOUND_NEVER},

    {"GET", "/audit", handle_audit, of_audit, BODY_NONE, false, ASKS_ALWAYS, SCOPE_ADMIN,
     BOUND_NEVER},

    {"GET", "/cluster", handle_cluster, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_READ,
     BOUND_NEVER},
    {"GET", "/observability/health", handle_health, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_READ,
     BOUND_FREE},
    {"GET", "/observability/metrics", handle_metrics_json, NULL, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_NEVER},
    {"GET", "/observability/alerts", handle_alerts, of_alerts, BODY_NONE, false, ASKS_ALWAYS,
     SCOPE_READ, BOUND_PARAMETER},
    {"GET", "/observability/executions/recent", handle_recent_executions, of_pages, BODY_NONE,
     false, ASKS_ALWAYS, SCOPE_READ, BOUND_NEVER},
    {"GET", "/observability/executions/failed", handle_failed_executions, of_pages, BODY_NONE,
     false, ASKS_ALWAYS, SCOPE_READ, BOUND_NEVER},
    {"GET", "/metrics", handle_metrics_text, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_READ,
     BOUND_NEVER},
    {"GET", "/livez", handle_live, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_NONE, BOUND_FREE},
    {"GET", "/readyz", handle_ready, NULL, BODY_NONE, false, ASKS_NEVER, SCOPE_NONE, BOUND_FREE},
};

const size_t route_count = COUNT_OF(routes);
