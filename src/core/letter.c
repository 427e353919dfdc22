// SPDX-License-Identifier: MIT
// letter.c: a command as bytes, for its way from one node to another through a store.
//
// A letter is a list of fields, in any order, each with its name. So nodes of different versions
// understand each other: what a reader does not know is passed over, what a writer did not know has
// its default. Members of a job are fields by their names in ledger/job.def, and those that have
// their default are left out. Words go as texts, so that their numbers may change.
//
//   field     name_length:1 name:name_length type:1 value
//   type      'i' an integer, 8 bytes, the most significant first
//             't' a text or bytes: their number, 4 bytes, then these
//
// A letter comes from a database, which somebody may have edited: every bound is checked here.

#include "base/integer.h"
#include "core/core_priv.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define JOB_PREFIX "job."
#define BEFORE_PREFIX "before."
#define OUTCOME_PREFIX "outcome."
#define AUDIT_PREFIX "audit."
#define ALERT_PREFIX "alert."

static const char *const kind_list[] = {
    [COMMAND_CREATE] = "create",
    [COMMAND_UPDATE] = "update",
    [COMMAND_DELETE] = "delete",
    [COMMAND_TRIGGER] = "trigger",
    [COMMAND_ACCEPT_CLOCK] = "accept-clock",
    [COMMAND_BULK] = "bulk",
    [COMMAND_REPLAY] = "replay",
    [COMMAND_BACKFILL] = "backfill",
    [COMMAND_CANCEL] = "cancel",
    [COMMAND_ACK_ALERT] = "ack-alert",
    [COMMAND_COMPLETE] = "complete",
    [COMMAND_NOTE] = "note",
    [COMMAND_RAISE_ALERT] = "raise-alert",
    [COMMAND_PING] = "ping",
    [COMMAND_OUTCOME] = "outcome",
};
static const struct enum_words kind_words = {kind_list, COUNT_OF(kind_list)};

static const char *const outcome_list[OUTCOME_KINDS] = {
    [OUTCOME_ANSWERED] = "answered",
    [OUTCOME_NOT_SENT] = "not-sent",
    [OUTCOME_LOST] = "lost",
    [OUTCOME_HELD] = "held",
};
static const struct enum_words outcome_words = {outcome_list, OUTCOME_KINDS};

// A number of a struct. Fields that are 0 are left out.
struct number {
    const char *name;
    size_t offset;
    size_t bytes;
    int64_t least;
    int64_t greatest;
};
#define NUMBER(type, name, member, low, high)                                                      \
    {                                                                                              \
        (name), offsetof(struct type, member), sizeof(((struct type *)0)->member), (low), (high)   \
    }

static const struct number numbers[] = {
    NUMBER(command, "shard", shard, 0, SHARDS_MAX - 1),
    NUMBER(command, "id", id, 0, INT64_MAX / 2), // See complete.
    NUMBER(command, "version_expected", version_expected, 0, INT64_MAX / 2),
    NUMBER(command, "body_is_json", body_is_json, 0, 1),
    NUMBER(command, "from", from, 0, WALL_LAST),
    NUMBER(command, "to", to, 0, WALL_LAST),
    NUMBER(command, "count", count, 0, BACKFILL_MAX),
    NUMBER(command, "execution_at", execution.scheduled_at, 0, WALL_LAST),
    NUMBER(command, "alert_job", alert_job, 0, JOB_ID_MAX),
    NUMBER(command, "incident_id", incident_id, 0, INT64_MAX / 2),
    NUMBER(command, "attempt", attempt, 0, UINT16_MAX),
    NUMBER(command, "has_failed", has_failed, 0, 1),
    NUMBER(command, "exit_status", exit_status, 0, UINT8_MAX),
    NUMBER(command, "series", execution.series, -INT64_MAX / 2, INT64_MAX / 2),
};

// How an attempt ended.
static const struct number outcome_numbers[] = {
    NUMBER(outcome, "retry_after_ms", retry_after_ms, 0, WALL_LAST),
    NUMBER(outcome, "is_unheard", is_unheard, 0, 1),
    NUMBER(outcome, "body_is_judged", body_is_judged, 0, 1),
    NUMBER(outcome, "asks_to_wait", asks_to_wait, 0, 1),
    NUMBER(outcome, "execution_id", attempt.execution_id, 0, INT64_MAX / 2),
    NUMBER(outcome, "number", attempt.number, 0, UINT16_MAX),
    NUMBER(outcome, "http_status", attempt.http_status, 0, 999),
    NUMBER(outcome, "started_at", attempt.started_at, 0, WALL_LAST),
    NUMBER(outcome, "duration_ms", attempt.duration_ms, 0, WALL_LAST),
    NUMBER(outcome, "dns_ms", attempt.dns_ms, -1, INT32_MAX),
    NUMBER(outcome, "connect_ms", attempt.connect_ms, -1, INT32_MAX),
    NUMBER(outcome, "tls_ms", attempt.tls_ms, -1, INT32_MAX),
    NUMBER(outcome, "first_byte_ms", attempt.first_byte_ms, -1, INT32_MAX),
    NUMBER(outcome, "response_truncated", attempt.response_truncated, 0, 1),
    NUMBER(outcome, "response_damaged", attempt.response_damaged, 0, 1),
};

// A text of a struct.
struct text {
    const char *name;
    size_t offset;
};

static const struct text outcome_texts[] = {
    {"location", offsetof(struct outcome, location)},
    {"body_error", offsetof(struct outcome, body_error)},
    {"redirects", offsetof(struct outcome, attempt.redirects)},
    {"error", offsetof(struct outcome, attempt.error)},
    {"response", offsetof(struct outcome, attempt.response)},
};

// Who asks, and what changes.
static const struct number audit_numbers[] = {
    NUMBER(audit_entry, "token_id", by.token, 0, INT64_MAX / 2),
};
static const struct text audit_texts[] = {
    {"token_name", offsetof(struct audit_entry, by.token_name)},
    {"address", offsetof(struct audit_entry, by.address)},
    {"request_id", offsetof(struct audit_entry, by.request_id)},
    {"subject", offsetof(struct audit_entry, subject)},
    {"before", offsetof(struct audit_entry, before)},
    {"after", offsetof(struct audit_entry, after)},
};

// What an alert is about.
static const struct number alert_numbers[] = {
    NUMBER(alert, "attempts", attempts, 0, UINT32_MAX),
    NUMBER(alert, "from", from, 0, WALL_LAST),
    NUMBER(alert, "to", to, 0, WALL_LAST),
};
static const struct text alert_texts[] = {
    {"subject", offsetof(struct alert, subject)},
    {"last_error", offsetof(struct alert, last_error)},
};

// --- Packing ---------------------------------------------------------------------------------

struct packer {
    char *bytes;
    size_t count;
    size_t capacity;
};

static void pack_bytes(struct packer *p, const void *bytes, size_t count)
{
    while (p->capacity - p->count < count)
        p->bytes = grow(p->bytes, p->capacity, &p->capacity, 1);
    if (count > 0)
        memcpy(p->bytes + p->count, bytes, count);
    p->count += count;
}

static void pack_name(struct packer *p, const char *prefix, const char *name, char type)
{
    size_t before = strlen(prefix), length = strlen(name);
    uint8_t bytes = (uint8_t)(before + length);
    assert(before + length <= UINT8_MAX);
    pack_bytes(p, &bytes, 1);
    pack_bytes(p, prefix, before);
    pack_bytes(p, name, length);
    pack_bytes(p, &type, 1);
}

static void pack_integer(struct packer *p, const char *prefix, const char *name, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    pack_name(p, prefix, name, 'i');
    pack_bytes(p, &big, sizeof big);
}

static void pack_data(struct packer *p, const char *prefix, const char *name, const void *data,
                      size_t bytes)
{
    uint32_t big = htobe32((uint32_t)bytes);
    assert(bytes <= UINT32_MAX);
    pack_name(p, prefix, name, 't');
    pack_bytes(p, &big, sizeof big);
    pack_bytes(p, data, bytes);
}

static void pack_text(struct packer *p, const char *prefix, const char *name, const char *text)
{
    if (text)
        pack_data(p, prefix, name, text, strlen(text));
}

static void pack_member(struct packer *p, const char *prefix, const struct job_member *m,
                        const struct job *j)
{
    if (job_same_member(m, j, &job_defaults))
        return;
    if (m->kind == MEMBER_TEXT)
        pack_text(p, prefix, m->name, *job_text_at(m, j));
    else if (m->kind == MEMBER_WORD)
        pack_text(p, prefix, m->name, enum_word(m->words, (int)job_integer(m, j)));
    else
        pack_integer(p, prefix, m->name, job_integer(m, j));
}

// The core asks of the job before an update to know which occurrences it had.
static bool is_asked_of_before(const struct job_member *m)
{
    return m->role == ROLE_TIMING || m->role == ROLE_PHASE || strcmp(m->name, "version") == 0;
}

static void pack_jobs(struct packer *p, const struct command *c)
{
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (c->job)
            pack_member(p, JOB_PREFIX, m, c->job);
        if (c->before && is_asked_of_before(m))
            pack_member(p, BEFORE_PREFIX, m, c->before);
    }
    if (c->before)
        pack_text(p, BEFORE_PREFIX, "damaged", c->before->damaged);
}

static void pack_numbers(struct packer *p, const char *prefix, const struct number *list,
                         size_t count, const void *of)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = integer_load((const char *)of + list[i].offset, list[i].bytes);
        if (value)
            pack_integer(p, prefix, list[i].name, value);
    }
}

static char **text_at(const struct text *t, const void *of)
{
    return (char **)((uintptr_t)of + t->offset);
}

static void pack_texts(struct packer *p, const char *prefix, const struct text *list, size_t count,
                       const void *of)
{
    for (size_t i = 0; i < count; i++)
        pack_text(p, prefix, list[i].name, *text_at(&list[i], of));
}

static void pack_outcome(struct packer *p, const struct outcome *o)
{
    pack_text(p, OUTCOME_PREFIX, "kind", enum_word(&outcome_words, (int)o->kind));
    pack_numbers(p, OUTCOME_PREFIX, outcome_numbers, COUNT_OF(outcome_numbers), o);
    pack_texts(p, OUTCOME_PREFIX, outcome_texts, COUNT_OF(outcome_texts), o);
}

static void pack_audit(struct packer *p, const struct audit_entry *e)
{
    pack_text(p, AUDIT_PREFIX, "action", audit_action_name(e->action));
    pack_numbers(p, AUDIT_PREFIX, audit_numbers, COUNT_OF(audit_numbers), e);
    pack_texts(p, AUDIT_PREFIX, audit_texts, COUNT_OF(audit_texts), e);
}

static void pack_alert(struct packer *p, const struct alert *a)
{
    pack_text(p, ALERT_PREFIX, "kind", alert_kind_name(a->kind));
    pack_numbers(p, ALERT_PREFIX, alert_numbers, COUNT_OF(alert_numbers), a);
    pack_texts(p, ALERT_PREFIX, alert_texts, COUNT_OF(alert_texts), a);
}

// Each part is a letter of its own.
static void pack_parts(struct packer *p, const struct command *c)
{
    for (size_t i = 0; i < c->part_count; i++) {
        char *bytes;
        size_t count;
        letter_pack(&c->parts[i], &bytes, &count);
        pack_data(p, "", "part", bytes, count);
        free(bytes);
    }
}

void letter_pack(const struct command *c, char **bytes, size_t *count)
{
    struct packer p = {0};
    pack_text(&p, "", "kind", enum_word(&kind_words, (int)c->kind));
    pack_numbers(&p, "", numbers, COUNT_OF(numbers), c);
    pack_text(&p, "", "body", c->body);
    pack_text(&p, "", "run", c->run);
    if (c->kind == COMMAND_PING)
        pack_text(&p, "", "ping", ping_kind_name(c->ping));
    if (c->client_key) {
        pack_text(&p, "", "key", c->client_key->text);
        pack_data(&p, "", "digest", c->client_key->digest, sizeof c->client_key->digest);
    }
    pack_jobs(&p, c);
    if (c->outcome)
        pack_outcome(&p, c->outcome);
    if (c->audit)
        pack_audit(&p, c->audit);
    if (c->alert)
        pack_alert(&p, c->alert);
    pack_parts(&p, c);
    *bytes = p.bytes;
    *count = p.count;
}

// --- Unpacking -------------------------------------------------------------------------------

struct field {
    char name[UINT8_MAX + 1];
    char type;
    int64_t integer;
    const char *text; // Not ended by a NUL.
    size_t bytes;
};

struct unpacker {
    const char *at;
    size_t left;
    struct letter *letter;
    bool has_kind;
    bool has_digest;
    bool has_ping;
    bool has_outcome;
    bool has_audit;
    bool has_alert;
    bool is_part;
};

static enum err unpack(const void *bytes, size_t count, bool is_part, struct letter **out,
                       struct fault *f);

static bool take(struct unpacker *u, void *out, size_t bytes)
{
    if (u->left < bytes)
        return false;
    memcpy(out, u->at, bytes);
    u->at += bytes;
    u->left -= bytes;
    return true;
}

static bool take_name(struct unpacker *u, struct field *f)
{
    uint8_t length;
    if (!take(u, &length, 1) || !take(u, f->name, length))
        return false;
    f->name[length] = '\0';
    return strlen(f->name) == length && take(u, &f->type, 1);
}

static bool take_field(struct unpacker *u, struct field *f)
{
    uint64_t integer;
    uint32_t bytes;
    if (!take_name(u, f))
        return false;
    if (f->type == 'i') {
        bool is_there = take(u, &integer, sizeof integer);
        f->integer = is_there ? (int64_t)be64toh(integer) : 0;
        return is_there;
    }
    if (f->type != 't' || !take(u, &bytes, sizeof bytes) || u->left < be32toh(bytes))
        return false;
    f->text = u->at;
    f->bytes = be32toh(bytes);
    u->at += f->bytes;
    u->left -= f->bytes;
    return true;
}

// A text of this many bytes at most, without a NUL inside.
static bool set_text(char **out, const struct field *f, size_t bytes_max)
{
    if (f->type != 't' || f->bytes > bytes_max || memchr(f->text, '\0', f->bytes))
        return false;
    char *text = xmalloc(f->bytes + 1);
    memcpy(text, f->text, f->bytes);
    text[f->bytes] = '\0';
    free(*out);
    *out = text;
    return true;
}

static bool is_within(const struct job_member *m, int64_t value)
{
    if (value == job_integer(m, &job_defaults))
        return true;
    if (m->kind == MEMBER_NUMBER)
        return m->least <= value && value <= m->greatest;
    if (m->kind == MEMBER_FLAG)
        return value == 0 || value == 1;
    return 0 <= value && value <= (m->kind == MEMBER_TIME ? WALL_LAST : INT64_MAX / 2);
}

static bool set_word(const struct job_member *m, struct job *j, const struct field *f)
{
    char *word = NULL;
    int value = 0;
    bool is_known = set_text(&word, f, UINT8_MAX) && enum_find(m->words, word, &value);
    if (is_known)
        job_set_integer(m, j, value);
    free(word);
    return is_known;
}

static bool set_member(struct job *j, const char *name, const struct field *f)
{
    const struct job_member *m = job_member_find(name);
    if (!m || m->kind == MEMBER_COMPUTED)
        return true;
    if (m->kind == MEMBER_TEXT)
        return set_text(job_text_at(m, j), f, m->greatest ? (size_t)m->greatest : LETTER_BYTES_MAX);
    if (m->kind == MEMBER_WORD)
        return set_word(m, j, f);
    if (f->type != 'i' || !is_within(m, f->integer))
        return false;
    job_set_integer(m, j, f->integer);
    return true;
}

static bool set_enum(const struct enum_words *words, const struct field *f, int *out)
{
    char *word = NULL;
    bool is_known = set_text(&word, f, UINT8_MAX) && enum_find(words, word, out);
    free(word);
    return is_known;
}

static bool set_kind(struct unpacker *u, const struct field *f)
{
    int kind = 0;
    u->has_kind = set_enum(&kind_words, f, &kind);
    u->letter->command.kind = (enum command_kind)kind;
    return u->has_kind;
}

static bool set_ping(struct unpacker *u, const struct field *f)
{
    int ping = 0;
    u->has_ping = set_enum(&ping_kind_words, f, &ping);
    u->letter->command.ping = (enum ping_kind)ping;
    return u->has_ping;
}

static bool set_outcome_kind(struct unpacker *u, const struct field *f)
{
    int kind = 0;
    u->has_outcome = set_enum(&outcome_words, f, &kind);
    u->letter->outcome.kind = (enum outcome_kind)kind;
    return u->has_outcome;
}

static bool set_digest(struct unpacker *u, const struct field *f)
{
    u->has_digest = f->type == 't' && f->bytes == CLIENT_KEY_DIGEST_BYTES;
    if (u->has_digest)
        memcpy(u->letter->client_key.digest, f->text, CLIENT_KEY_DIGEST_BYTES);
    return u->has_digest;
}

// False: the value is out of its bounds. A field that the list does not have is passed over.
static bool set_number(const struct number *list, size_t count, void *of, const char *name,
                       const struct field *f)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, list[i].name) != 0)
            continue;
        if (f->type != 'i' || f->integer < list[i].least || f->integer > list[i].greatest)
            return false;
        integer_store((char *)of + list[i].offset, list[i].bytes, f->integer);
    }
    return true;
}

// NULL: the list has no text of this name.
static const struct text *find_text(const struct text *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i].name) == 0)
            return &list[i];
    return NULL;
}

static bool set_audit_action(struct unpacker *u, const struct field *f)
{
    int action = 0;
    u->has_audit = set_enum(&audit_action_words, f, &action);
    u->letter->audit.action = (enum audit_action)action;
    return u->has_audit;
}

static bool set_audit(struct unpacker *u, const char *name, const struct field *f)
{
    struct audit_entry *e = &u->letter->audit;
    const struct text *text = find_text(audit_texts, COUNT_OF(audit_texts), name);
    if (strcmp(name, "action") == 0)
        return set_audit_action(u, f);
    return text ? set_text(text_at(text, e), f, LETTER_BYTES_MAX)
                : set_number(audit_numbers, COUNT_OF(audit_numbers), e, name, f);
}

static bool set_outcome(struct unpacker *u, const char *name, const struct field *f)
{
    struct outcome *o = &u->letter->outcome;
    const struct text *text = find_text(outcome_texts, COUNT_OF(outcome_texts), name);
    if (strcmp(name, "kind") == 0)
        return set_outcome_kind(u, f);
    if (text)
        return set_text(text_at(text, o), f, LETTER_BYTES_MAX);
    return set_number(outcome_numbers, COUNT_OF(outcome_numbers), o, name, f);
}

static bool set_alert_kind(struct unpacker *u, const struct field *f)
{
    int kind = 0;
    u->has_alert = set_enum(&alert_kind_words, f, &kind);
    u->letter->alert.kind = (enum alert_kind)kind;
    return u->has_alert;
}

static bool set_alert(struct unpacker *u, const char *name, const struct field *f)
{
    struct alert *a = &u->letter->alert;
    const struct text *text = find_text(alert_texts, COUNT_OF(alert_texts), name);
    if (strcmp(name, "kind") == 0)
        return set_alert_kind(u, f);
    return text ? set_text(text_at(text, a), f, LETTER_BYTES_MAX)
                : set_number(alert_numbers, COUNT_OF(alert_numbers), a, name, f);
}

// A part has no parts.
static bool add_part(struct unpacker *u, const struct field *f)
{
    struct letter *p = u->letter, *part;
    if (f->type != 't' || p->command.part_count == BULK_MAX || u->is_part ||
        unpack(f->text, f->bytes, true, &part, NULL))
        return false;
    p->parts = xrealloc(p->parts, (p->command.part_count + 1) * sizeof *p->parts);
    p->parts[p->command.part_count++] = part;
    return true;
}

static struct job *have_job(struct job **j)
{
    if (!*j)
        *j = job_new();
    return *j;
}

static bool set_field(struct unpacker *u, const struct field *f)
{
    struct letter *p = u->letter;
    if (strncmp(f->name, JOB_PREFIX, strlen(JOB_PREFIX)) == 0)
        return set_member(have_job(&p->command.job), f->name + strlen(JOB_PREFIX), f);
    if (strcmp(f->name, BEFORE_PREFIX "damaged") == 0)
        return set_text(&have_job(&p->before)->damaged, f, LETTER_BYTES_MAX);
    if (strncmp(f->name, BEFORE_PREFIX, strlen(BEFORE_PREFIX)) == 0)
        return set_member(have_job(&p->before), f->name + strlen(BEFORE_PREFIX), f);
    if (strcmp(f->name, "kind") == 0)
        return set_kind(u, f);
    if (strcmp(f->name, "digest") == 0)
        return set_digest(u, f);
    if (strcmp(f->name, "part") == 0)
        return add_part(u, f);
    if (strcmp(f->name, "key") == 0)
        return set_text((char **)(uintptr_t)&p->client_key.text, f, CLIENT_KEY_BYTES_MAX);
    if (strcmp(f->name, "body") == 0)
        return set_text(&p->body, f, JOB_MAX(body));
    if (strcmp(f->name, "run") == 0)
        return set_text(&p->run, f, RUN_BYTES_MAX);
    if (strcmp(f->name, "ping") == 0)
        return set_ping(u, f);
    if (strncmp(f->name, OUTCOME_PREFIX, strlen(OUTCOME_PREFIX)) == 0)
        return set_outcome(u, f->name + strlen(OUTCOME_PREFIX), f);
    if (strncmp(f->name, AUDIT_PREFIX, strlen(AUDIT_PREFIX)) == 0)
        return set_audit(u, f->name + strlen(AUDIT_PREFIX), f);
    if (strncmp(f->name, ALERT_PREFIX, strlen(ALERT_PREFIX)) == 0)
        return set_alert(u, f->name + strlen(ALERT_PREFIX), f);
    return set_number(numbers, COUNT_OF(numbers), &p->command, f->name, f);
}

// --- The whole -------------------------------------------------------------------------------

static bool is_whole_job(const struct job *j)
{
    return j && j->schedule && j->api && j->timezone;
}

static bool names_a_job(enum command_kind kind)
{
    return kind != COMMAND_CREATE && kind != COMMAND_ACCEPT_CLOCK && kind != COMMAND_BULK &&
           kind != COMMAND_RAISE_ALERT;
}

// Whether the fields make a command. What does not belong to one of its kind is dropped.
static bool complete(struct unpacker *u)
{
    struct letter *p = u->letter;
    struct command *c = &p->command;
    bool has_job = c->kind == COMMAND_CREATE || c->kind == COMMAND_UPDATE;
    if (!u->has_kind || (has_job && !is_whole_job(c->job)) || (names_a_job(c->kind) && c->id == 0))
        return false;
    bool is_alert = c->kind == COMMAND_ACK_ALERT;
    if ((is_alert && c->id == 0) || (!is_alert && c->id > JOB_ID_MAX))
        return false;
    if (c->kind == COMMAND_OUTCOME && !u->has_outcome)
        return false;
    if (c->kind == COMMAND_RAISE_ALERT && (!u->has_alert || c->id != 0))
        return false;
    if ((c->kind == COMMAND_PING && !u->has_ping) || (c->kind == COMMAND_NOTE && !p->body))
        return false;
    if ((c->kind == COMMAND_BULK) != (c->part_count > 0))
        return false;
    if (p->client_key.text && (!u->has_digest || !*p->client_key.text))
        return false;
    if (!has_job) {
        job_free(c->job);
        c->job = NULL;
    }
    c->execution.job = c->id;
    c->before = p->before;
    c->body = p->body;
    c->run = p->run;
    c->client_key = p->client_key.text ? &p->client_key : NULL;
    c->outcome = c->kind == COMMAND_OUTCOME ? &p->outcome : NULL;
    c->audit = u->has_audit ? &p->audit : NULL;
    c->alert = c->kind == COMMAND_RAISE_ALERT ? &p->alert : NULL;
    return true;
}

// The commands of the parts in one array, as the core takes them.
static void gather_parts(struct letter *p)
{
    struct command *c = &p->command;
    c->parts = c->part_count ? xcalloc(c->part_count, sizeof *c->parts) : NULL;
    for (size_t i = 0; i < c->part_count; i++) {
        c->parts[i] = p->parts[i]->command;
        p->parts[i]->command.job = NULL;
    }
}

static enum err unpack(const void *bytes, size_t count, bool is_part, struct letter **out,
                       struct fault *f)
{
    struct unpacker u = {
        .at = bytes, .left = count, .letter = xcalloc(1, sizeof *u.letter), .is_part = is_part};
    struct field field = {0};
    bool is_fine = count <= LETTER_BYTES_MAX;
    while (is_fine && u.left > 0)
        is_fine = take_field(&u, &field) && set_field(&u, &field);
    if (!is_fine || !complete(&u)) {
        letter_free(u.letter);
        return fault_set(f, ERR_SYNTAX,
                         "a command cannot be read, at or before its field \"%.60s\"", field.name);
    }
    gather_parts(u.letter);
    *out = u.letter;
    return ERR_OK;
}

enum err letter_unpack(const void *bytes, size_t count, struct letter **out, struct fault *f)
{
    return unpack(bytes, count, false, out, f);
}

static void free_parts(struct letter *p)
{
    for (size_t i = 0; i < p->command.part_count; i++) {
        if (p->command.parts)
            job_free(p->command.parts[i].job);
        letter_free(p->parts[i]);
    }
    free(p->command.parts);
    free(p->parts);
}

void letter_free(struct letter *p)
{
    if (!p)
        return;
    job_free(p->command.job);
    free_parts(p);
    job_free(p->before);
    free(p->body);
    free(p->run);
    free((char *)(uintptr_t)p->client_key.text);
    for (size_t i = 0; i < COUNT_OF(outcome_texts); i++)
        free(*text_at(&outcome_texts[i], &p->outcome));
    for (size_t i = 0; i < COUNT_OF(alert_texts); i++)
        free(*text_at(&alert_texts[i], &p->alert));
    for (size_t i = 0; i < COUNT_OF(audit_texts); i++)
        free(*text_at(&audit_texts[i], &p->audit));
    free(p);
}
