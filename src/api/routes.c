// SPDX-License-Identifier: MIT
// routes.c: the table of everything that can be asked for.

#include "api/api_priv.h"

static const char *const of_jobs[] = {"q", "tag", "is_active", "limit", "cursor", NULL};
static const char *const of_job_executions[] = {"status", "trigger", "from", "to",
                                                "limit",  "cursor",  NULL};
static const char *const of_executions[] = {"job_id", "status", "trigger", "from",
                                            "to",     "limit",  "cursor",  NULL};
static const char *const of_alerts[] = {"job_id", "limit", "cursor", NULL};
static const char *const of_pages[] = {"limit", "cursor", NULL};
static const char *const of_explain[] = {"at", NULL};
static const char *const of_import[] = {"dry_run", "timezone", "system", "skip_existing", NULL};

const struct route routes[] = {
    {"GET", "/", handle_index, NULL, BODY_NONE, false},

    {"POST", "/jobs", handle_create_job, NULL, BODY_REQUIRED, true},
    {"GET", "/jobs", handle_list_jobs, of_jobs, BODY_NONE, false},
    {"GET", "/jobs/:job", handle_get_job, NULL, BODY_NONE, false},
    {"PUT", "/jobs/:job", handle_put_job, NULL, BODY_REQUIRED, true},
    {"PATCH", "/jobs/:job", handle_patch_job, NULL, BODY_REQUIRED, true},
    {"DELETE", "/jobs/:job", handle_delete_job, NULL, BODY_NONE, true},
    {"POST", "/jobs/:job/pause", handle_pause_job, NULL, BODY_OPTIONAL, true},
    {"POST", "/jobs/:job/resume", handle_resume_job, NULL, BODY_OPTIONAL, true},
    {"POST", "/jobs/:job/trigger", handle_trigger_job, NULL, BODY_OPTIONAL, true},
    {"GET", "/jobs/:job/executions", handle_job_executions, of_job_executions, BODY_NONE, false},
    {"GET", "/jobs/:job/alerts", handle_job_alerts, of_pages, BODY_NONE, false},
    {"GET", "/jobs/:job/explain", handle_explain, of_explain, BODY_NONE, false},

    {"GET", "/executions", handle_executions, of_executions, BODY_NONE, false},
    {"GET", "/executions/:execution", handle_execution, NULL, BODY_NONE, false},

    {"POST", "/schedules/preview", handle_preview, NULL, BODY_REQUIRED, false},

    {"GET", "/export", handle_export, of_pages, BODY_NONE, false},
    {"POST", "/import", handle_import, of_import, BODY_OWN, true},

    {"POST", "/admin/clock/accept", handle_accept_clock, NULL, BODY_NONE, true},

    {"GET", "/observability/health", handle_health, NULL, BODY_NONE, false},
    {"GET", "/observability/metrics", handle_metrics_json, NULL, BODY_NONE, false},
    {"GET", "/observability/alerts", handle_alerts, of_alerts, BODY_NONE, false},
    {"GET", "/observability/executions/recent", handle_recent_executions, of_pages, BODY_NONE,
     false},
    {"GET", "/observability/executions/failed", handle_failed_executions, of_pages, BODY_NONE,
     false},
    {"GET", "/metrics", handle_metrics_text, NULL, BODY_NONE, false},
    {"GET", "/livez", handle_live, NULL, BODY_NONE, false},
    {"GET", "/readyz", handle_ready, NULL, BODY_NONE, false},
};

const size_t route_count = COUNT_OF(routes);
