// SPDX-License-Identifier: MIT
// changes.c: what clients can ask to be changed. Each wish sets out as a struct service_change.

#include "service/service_priv.h"

#include <stdio.h>

enum err service_create_job(struct service *s, const struct actor *by, struct job *draft,
                            const struct service_key *key, service_done *done, void *context,
                            struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_CREATE,
                                        .row = draft,
                                        .job_key = xstrdup(draft->key),
                                        .key = service__key_of(key),
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_update_job(struct service *s, const struct actor *by, job_id id,
                            int64_t version_expected, service_edit *edit, service_done *done,
                            void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_UPDATE,
                                        .id = id,
                                        .version_expected = version_expected,
                                        .edit = edit,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_put_job_by_key(struct service *s, const struct actor *by, const char *key,
                                int64_t version_expected, service_edit *edit, service_done *done,
                                void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_UPDATE,
                                        .by_key = true,
                                        .job_key = xstrdup(key),
                                        .version_expected = version_expected,
                                        .edit = edit,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_pause_job(struct service *s, const struct actor *by, job_id id,
                           int64_t version_expected, const char *reason, wall_ms until,
                           service_done *done, void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_UPDATE,
                                        .id = id,
                                        .version_expected = version_expected,
                                        .text = xstrdup(reason),
                                        .until = until,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_resume_job(struct service *s, const struct actor *by, job_id id,
                            int64_t version_expected, service_done *done, void *context,
                            struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_UPDATE,
                                        .id = id,
                                        .version_expected = version_expected,
                                        .resumes = true,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_delete_job(struct service *s, const struct actor *by, job_id id,
                            int64_t version_expected, service_done *done, void *context,
                            struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_DELETE,
                                        .id = id,
                                        .version_expected = version_expected,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_change_jobs(struct service *s, const struct actor *by,
                             struct service_operation *operations, size_t count, size_t *failed,
                             const struct service_key *key, service_done *done, void *context,
                             struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_BULK,
                                        .bulk = service__bulk_new(operations, count, failed),
                                        .key = service__key_of(key),
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_trigger_job(struct service *s, const struct actor *by, job_id id, char *body,
                             bool is_json, const struct service_key *key, service_done *done,
                             void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_TRIGGER,
                                        .id = id,
                                        .text = body,
                                        .text_is_json = is_json,
                                        .key = service__key_of(key),
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_ping(struct service *s, const struct actor *by, const struct service_ping *ping,
                      service_done *done, void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_PING,
                                        .id = ping->job,
                                        .ping = ping->kind,
                                        .exit_status = ping->exit_status,
                                        .run = xstrdup(ping->run),
                                        .text = ping->note,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_replay_execution(struct service *s, const struct actor *by,
                                  const struct execution_key *origin, const struct service_key *key,
                                  service_done *done, void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_REPLAY,
                                        .id = origin->job,
                                        .execution = *origin,
                                        .key = service__key_of(key),
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_backfill_job(struct service *s, const struct actor *by, job_id id, wall_ms from,
                              wall_ms to, const struct service_key *key, service_done *done,
                              void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_BACKFILL,
                                        .id = id,
                                        .from = from,
                                        .to = to,
                                        .key = service__key_of(key),
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_cancel_execution(struct service *s, const struct actor *by,
                                  const struct execution_key *key, service_done *done,
                                  void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_CANCEL,
                                        .id = key->job,
                                        .execution = *key,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_complete_execution(struct service *s, const struct actor *by,
                                    const struct execution_key *key,
                                    const struct service_completion *what, service_done *done,
                                    void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = what->is_note ? COMMAND_NOTE : COMMAND_COMPLETE,
                                        .id = key->job,
                                        .execution = *key,
                                        .attempt = what->attempt,
                                        .has_failed = what->has_failed,
                                        .text = what->text,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_accept_clock(struct service *s, const struct actor *by, service_done *done,
                              void *context, struct service_problem *p)
{
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_ACCEPT_CLOCK,
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}

enum err service_ack_alert(struct service *s, const struct actor *by, const struct alert *a,
                           service_done *done, void *context, struct service_problem *p)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)a->id);
    const struct service_change wish = {.service = s,
                                        .by = actor_copy(by),
                                        .kind = COMMAND_ACK_ALERT,
                                        .id = a->id,
                                        .alert_job = a->job,
                                        .incident_id = a->incident_id,
                                        .text = xstrdup(number),
                                        .done = done,
                                        .context = context};
    return service__change_start(&wish, p);
}
