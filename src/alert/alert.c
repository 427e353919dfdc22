// SPDX-License-Identifier: MIT
// alert.c: an alert as a log line.

#include "alert/alert.h"

#include "alert/tell.h"
#include "base/log.h"

void alert_raise(const struct alert *a)
{
    const char *kind = alert_kind_name(a->kind);
    char *sentence = alert_sentence(a);
    enum log_level level =
        alert_severity(a->kind) == SEVERITY_INFO ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
    if (a->execution_id == 0) { // About the server.
        LOG_AT(level, "alert.raised", LOG_INT("alert_id", a->id), LOG_TEXT("kind", kind),
               LOG_TEXT("message", sentence));
    } else {
        char id[EXECUTION_ID_BYTES];
        execution_id_format(&a->key, id);
        LOG_AT(level, "alert.raised", LOG_INT("alert_id", a->id), LOG_TEXT("kind", kind),
               LOG_INT("job_id", a->job), LOG_TEXT("execution_id", id),
               LOG_TEXT("message", sentence));
    }
    free(sentence);
}
