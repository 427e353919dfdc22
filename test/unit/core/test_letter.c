// SPDX-License-Identifier: MIT
// test_letter.c: a command comes out of its letter as it went in, and no bytes do any harm.

#include "core_test.h"

#include <stdio.h>
#include <string.h>

static struct letter *through(const struct command *c)
{
    char *bytes;
    size_t count;
    struct letter *p;
    struct fault f = {0};
    letter_pack(c, &bytes, &count);
    if (letter_unpack(bytes, count, &p, &f))
        fail_msg("%s", f.text);
    free(bytes);
    return p;
}

// A job of which no member has its default.
static struct job *strange_job(void)
{
    struct job *j = job_new();
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (m->kind == MEMBER_COMPUTED)
            continue;
        if (m->kind == MEMBER_TEXT) {
            char text[80];
            size_t room = m->greatest ? MIN((size_t)m->greatest + 1, sizeof text) : sizeof text;
            snprintf(text, room, "\n\xc3\xa4 of %s", m->name);
            job_set_text(job_text_at(m, j), text);
            continue;
        }
        int64_t value = job_integer(m, j);
        if (m->kind == MEMBER_WORD)
            job_set_integer(m, j, (value + 1) % m->words->count);
        else if (m->kind == MEMBER_FLAG)
            job_set_integer(m, j, !value);
        else if (m->kind == MEMBER_NUMBER)
            job_set_integer(m, j, value == m->greatest ? m->least : m->greatest);
        else
            job_set_integer(m, j, value == T0 ? T0 + 1 : T0);
        assert_false(job_same_member(m, j, &job_defaults));
    }
    j->id = 12345;
    return j;
}

static void assert_same_job(const struct job *a, const struct job *b)
{
    for (size_t i = 0; i < job_member_count; i++)
        if (!job_same_member(&job_members[i], a, b))
            fail_msg("%s did not come through", job_members[i].name);
}

static void every_member_of_a_job_comes_through(void **state)
{
    (void)state;
    struct command c = {.kind = COMMAND_CREATE, .shard = 200, .job = strange_job()};
    struct letter *p = through(&c);
    assert_int_equal(p->command.kind, COMMAND_CREATE);
    assert_int_equal(p->command.shard, 200);
    assert_null(p->command.before);
    assert_null(p->command.client_key);
    assert_same_job(p->command.job, c.job);
    letter_free(p);
    job_free(c.job);
    c.job = job_of("* * * * *");
    p = through(&c);
    assert_same_job(p->command.job, c.job);
    letter_free(p);
    job_free(c.job);
}

static void job_before_an_update_comes_through_as_far_as_it_is_asked_for(void **state)
{
    (void)state;
    struct job *before = strange_job();
    job_set_text(&before->damaged, "tags");
    struct command c = {.kind = COMMAND_UPDATE,
                        .id = 7,
                        .version_expected = 3,
                        .before = before,
                        .job = job_of("* * * * *")};
    struct letter *p = through(&c);
    assert_int_equal(p->command.id, 7);
    assert_int_equal(p->command.version_expected, 3);
    assert_ptr_equal(p->command.before, p->before);
    assert_int_equal(p->before->version, before->version);
    assert_string_equal(p->before->damaged, "tags");
    assert_false(job_version_begins(before, p->before));
    assert_null(p->before->body);
    letter_free(p);
    job_free(before);
    job_free(c.job);
}

static void cancel_names_its_execution(void **state)
{
    (void)state;
    const struct execution_key keys[] = {{7, T0, 0}, {7, T0, 3}, {7, T0, -12}};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct command c = {.kind = COMMAND_CANCEL, .id = 7, .execution = keys[i]};
        struct letter *p = through(&c);
        assert_int_equal(p->command.kind, COMMAND_CANCEL);
        assert_memory_equal(&p->command.execution, &keys[i], sizeof keys[i]);
        letter_free(p);
    }
}

static void bulk_brings_its_parts(void **state)
{
    (void)state;
    struct command parts[] = {{.kind = COMMAND_CREATE, .job = job_of("1 * * * *")},
                              {.kind = COMMAND_UPDATE, .id = 7, .job = job_of("2 * * * *")},
                              {.kind = COMMAND_DELETE, .id = 8, .version_expected = 5}};
    struct command c = {.kind = COMMAND_BULK, .id = 7, .parts = parts, .part_count = 3};
    struct letter *p = through(&c);
    assert_int_equal(p->command.kind, COMMAND_BULK);
    assert_int_equal(p->command.id, 7);
    assert_int_equal(p->command.part_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(p->command.parts[i].kind, parts[i].kind);
        assert_int_equal(p->command.parts[i].id, parts[i].id);
        assert_int_equal(p->command.parts[i].version_expected, parts[i].version_expected);
        if (parts[i].job)
            assert_same_job(p->command.parts[i].job, parts[i].job);
        job_free(parts[i].job);
    }
    letter_free(p);
    // A bulk in a bulk is no letter, and neither is one without parts.
    struct command inner = {.kind = COMMAND_DELETE, .id = 8};
    struct command middle = {.kind = COMMAND_BULK, .parts = &inner, .part_count = 1};
    const struct command bad[] = {{.kind = COMMAND_BULK, .parts = &middle, .part_count = 1},
                                  {.kind = COMMAND_BULK}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char *bytes;
        size_t count;
        letter_pack(&bad[i], &bytes, &count);
        assert_int_equal(letter_unpack(bytes, count, &p, NULL), ERR_SYNTAX);
        free(bytes);
    }
}

static void replay_and_backfill_say_what_is_carried_out_again(void **state)
{
    (void)state;
    struct command replay = {
        .kind = COMMAND_REPLAY, .id = 7, .execution = {7, T0, -3}, .body = "b"};
    struct letter *p = through(&replay);
    assert_int_equal(p->command.kind, COMMAND_REPLAY);
    assert_memory_equal(&p->command.execution, &replay.execution, sizeof replay.execution);
    assert_string_equal(p->command.body, "b");
    letter_free(p);
    struct command backfill = {
        .kind = COMMAND_BACKFILL, .id = 7, .from = T0 - 5, .to = T0, .count = BACKFILL_MAX};
    p = through(&backfill);
    assert_int_equal(p->command.kind, COMMAND_BACKFILL);
    assert_int_equal(p->command.from, backfill.from);
    assert_int_equal(p->command.to, backfill.to);
    assert_int_equal(p->command.count, backfill.count);
    letter_free(p);
}

static void trigger_brings_its_body_and_key(void **state)
{
    (void)state;
    struct client_key key = {.text = "a key", .digest = {1, 2, [31] = 9}};
    struct command c = {
        .kind = COMMAND_TRIGGER, .id = 7, .body = "", .body_is_json = true, .client_key = &key};
    struct letter *p = through(&c);
    assert_string_equal(p->command.body, "");
    assert_true(p->command.body_is_json);
    assert_string_equal(p->command.client_key->text, "a key");
    assert_memory_equal(p->command.client_key->digest, key.digest, sizeof key.digest);
    assert_null(p->command.job);
    letter_free(p);
    c.body = NULL;
    p = through(&c);
    assert_null(p->command.body);
    letter_free(p);
}

static void who_asks_and_what_changes_comes_through(void **state)
{
    (void)state;
    struct audit_entry entry = {
        .by = {.token_name = "deploy", .token = 12, .address = "192.0.2.7", .request_id = "r-1"},
        .action = AUDIT_JOB_DELETE,
        .before = "{\"name\":\"a\"}",
        .after = ""};
    struct command c = {.kind = COMMAND_DELETE, .id = 7, .audit = &entry};
    struct letter *p = through(&c);
    const struct audit_entry *e = p->command.audit;
    assert_int_equal(e->action, AUDIT_JOB_DELETE);
    assert_string_equal(e->by.token_name, "deploy");
    assert_int_equal(e->by.token, 12);
    assert_string_equal(e->by.address, "192.0.2.7");
    assert_string_equal(e->by.request_id, "r-1");
    assert_string_equal(e->before, "{\"name\":\"a\"}");
    assert_string_equal(e->after, "");
    assert_null(e->subject);
    letter_free(p);
    c.audit = NULL;
    p = through(&c);
    assert_null(p->command.audit);
    letter_free(p);
}

// Alerts are counted higher than jobs.
static void acknowledgement_of_an_alert_comes_through(void **state)
{
    (void)state;
    struct command c = {.kind = COMMAND_ACK_ALERT,
                        .id = JOB_ID_MAX + 7,
                        .alert_job = 7,
                        .incident_id = JOB_ID_MAX + 5};
    struct letter *p = through(&c);
    assert_int_equal(p->command.kind, COMMAND_ACK_ALERT);
    assert_int_equal(p->command.id, JOB_ID_MAX + 7);
    assert_int_equal(p->command.alert_job, 7);
    assert_int_equal(p->command.incident_id, JOB_ID_MAX + 5);
    letter_free(p);
    char *bytes;
    size_t count;
    struct fault f = {0};
    c.kind = COMMAND_DELETE;
    letter_pack(&c, &bytes, &count);
    assert_int_equal(letter_unpack(bytes, count, &p, &f), ERR_SYNTAX);
    free(bytes);
}

static void alert_that_is_raised_comes_through(void **state)
{
    (void)state;
    const struct alert a = {.kind = ALERT_CHANNEL_DOWN,
                            .subject = "ops",
                            .last_error = "refused",
                            .attempts = 3,
                            .from = T0};
    struct command c = {.kind = COMMAND_RAISE_ALERT, .shard = 5, .alert = &a};
    struct letter *l = through(&c);
    assert_int_equal(l->command.shard, 5);
    assert_int_equal(l->command.alert->kind, ALERT_CHANNEL_DOWN);
    assert_string_equal(l->command.alert->subject, "ops");
    assert_string_equal(l->command.alert->last_error, "refused");
    assert_int_equal(l->command.alert->attempts, 3);
    assert_int_equal(l->command.alert->from, T0);
    letter_free(l);
}

static void outcome_of_an_attempt_comes_through(void **state)
{
    (void)state;
    const struct outcome o = {.kind = OUTCOME_LOST,
                              .retry_after_ms = 3000,
                              .body_error = "its body has failure_body: no",
                              .body_is_judged = true,
                              .asks_to_wait = true,
                              .location = "http://elsewhere/",
                              .attempt = {.execution_id = 99,
                                          .number = 4,
                                          .http_status = 503,
                                          .started_at = T0,
                                          .duration_ms = 77,
                                          .dns_ms = -1,
                                          .connect_ms = 2,
                                          .tls_ms = -1,
                                          .first_byte_ms = 5,
                                          .response_truncated = true,
                                          .redirects = "302 http://a/\n",
                                          .error = "reset",
                                          .response = "half of an ans"}};
    struct command c = {.kind = COMMAND_OUTCOME, .id = 7, .outcome = &o};
    struct letter *l = through(&c);
    const struct attempt *a = &l->command.outcome->attempt;
    assert_int_equal(l->command.id, 7);
    assert_int_equal(l->command.outcome->kind, OUTCOME_LOST);
    assert_int_equal(l->command.outcome->retry_after_ms, 3000);
    assert_string_equal(l->command.outcome->location, o.location);
    assert_string_equal(l->command.outcome->body_error, o.body_error);
    assert_true(l->command.outcome->body_is_judged);
    assert_true(l->command.outcome->asks_to_wait);
    assert_int_equal(a->execution_id, 99);
    assert_int_equal(a->number, 4);
    assert_int_equal(a->http_status, 503);
    assert_int_equal(a->started_at, T0);
    assert_int_equal(a->duration_ms, 77);
    assert_int_equal(a->dns_ms, -1);
    assert_int_equal(a->connect_ms, 2);
    assert_int_equal(a->tls_ms, -1);
    assert_int_equal(a->first_byte_ms, 5);
    assert_true(a->response_truncated);
    assert_false(a->response_damaged);
    assert_string_equal(a->redirects, o.attempt.redirects);
    assert_string_equal(a->error, o.attempt.error);
    assert_string_equal(a->response, o.attempt.response);
    letter_free(l);
}

// --- What others write -----------------------------------------------------------------------

static enum err unpack(const char *bytes, size_t count)
{
    struct letter *p = NULL;
    struct fault f = {0};
    enum err err = letter_unpack(bytes, count, &p, &f);
    assert_int_equal(err == ERR_OK, p != NULL);
    assert_int_equal(err, f.code);
    letter_free(p);
    return err;
}

#define DELETE_7 "\4kindt\0\0\0\6delete\2idi\0\0\0\0\0\0\0\7"
#define CREATE "\4kindt\0\0\0\6create"
#define API "\7job.apit\0\0\0\1x"
#define REST "\14job.schedulet\0\0\0\1x\14job.timezonet\0\0\0\1x"

static void fields_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        enum err err;
    } cases[] = {
#define CASE(text, expected) {text, sizeof(text) - 1, expected}
        CASE(DELETE_7, ERR_OK),
        CASE(DELETE_7 "\7unknownt\0\0\0\2\0\0", ERR_OK), // From a newer version.
        CASE(DELETE_7 "\7unknowni\0\0\0\0\0\0\0\0", ERR_OK),
        CASE(DELETE_7 "\7job.newi\0\0\0\0\0\0\0\0", ERR_OK),
        CASE(DELETE_7 "\7unknownz", ERR_SYNTAX),   // No type.
        CASE("", ERR_SYNTAX),                      // No kind.
        CASE("\4kindt\0\0\0\6delete", ERR_SYNTAX), // No job is named.
        CASE("\4kindt\0\0\0\5dance", ERR_SYNTAX),  // No kind that is known.
        CASE("\4kindi\0\0\0\0\0\0\0\0", ERR_SYNTAX),
        CASE(DELETE_7 "\5shardi\0\0\0\0\0\0\1\0", ERR_SYNTAX), // Shard 256.
        CASE(DELETE_7 "\5shardi\377\377\377\377\377\377\377\377", ERR_SYNTAX),
        CASE(DELETE_7 "\3keyt\0\0\0\1k", ERR_SYNTAX),   // Without its digest.
        CASE(DELETE_7 "\3keyt\0\0\0\2k\0", ERR_SYNTAX), // A NUL.
        CASE(DELETE_7 "\6digestt\0\0\0\1k", ERR_SYNTAX),
        CASE("\4kindt\0\0\0\7outcome\2idi\0\0\0\0\0\0\0\7", ERR_SYNTAX), // What came of it?
        CASE("\4kindt\0\0\0\4ping\2idi\0\0\0\0\0\0\0\7", ERR_SYNTAX),    // Which one?
        CASE("\4kindt\0\0\0\4note\2idi\0\0\0\0\0\0\0\7", ERR_SYNTAX),    // Without its text.
        CASE(CREATE API REST, ERR_OK),
        CASE(CREATE REST, ERR_SYNTAX),
        CASE(CREATE, ERR_SYNTAX),
        CASE(CREATE API REST "\16job.timeout_msi\0\0\0\0\0\0\0\1", ERR_SYNTAX), // Below the least.
        CASE(CREATE API REST "\16job.timeout_mst\0\0\0\1"
                             "1",
             ERR_SYNTAX),
        CASE(CREATE API REST "\12job.methodt\0\0\0\4POST", ERR_OK),
        CASE(CREATE API REST "\12job.methodt\0\0\0\4DROP", ERR_SYNTAX),
        CASE(CREATE API REST "\15job.is_activei\0\0\0\0\0\0\0\2", ERR_SYNTAX),
        CASE(CREATE API REST "\11job.jobIdi\0\0\0\0\0\0\0\2", ERR_OK), // No member of the struct.
#undef CASE
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (unpack(cases[i].bytes, cases[i].count) != cases[i].err)
            fail_msg("case %zu", i);
}

static void a_ping_keeps_what_it_says(void **state)
{
    (void)state;
    struct command c = {.kind = COMMAND_PING,
                        .id = 7,
                        .ping = PING_FAIL,
                        .exit_status = 3,
                        .run = "00000000-0000-4000-8000-000000000000",
                        .body = "disk full"};
    struct letter *p = through(&c);
    assert_int_equal(p->command.kind, COMMAND_PING);
    assert_int_equal(p->command.id, 7);
    assert_int_equal(p->command.ping, PING_FAIL);
    assert_int_equal(p->command.exit_status, 3);
    assert_string_equal(p->command.run, c.run);
    assert_string_equal(p->command.body, c.body);
    letter_free(p);
}

// Cut anywhere, it is a whole command or none; with a byte changed it is read or refused.
static void damaged_letter_does_no_harm(void **state)
{
    (void)state;
    struct client_key key = {.text = "a key"};
    struct audit_entry entry = {
        .by = {.address = "::1"}, .action = AUDIT_JOB_UPDATE, .after = "{}"};
    struct command c = {.kind = COMMAND_UPDATE,
                        .id = 7,
                        .audit = &entry,
                        .before = strange_job(),
                        .job = strange_job(),
                        .client_key = &key};
    char *bytes;
    size_t count;
    letter_pack(&c, &bytes, &count);
    for (size_t cut = 0; cut < count; cut++) {
        char *copy = memcpy(xmalloc(cut + 1), bytes, cut); // So that a byte too far is found.
        (void)unpack(copy, cut);
        free(copy);
    }
    for (size_t i = 0; i < count; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            (void)unpack(bytes, count);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    assert_int_equal(unpack(bytes, count), ERR_OK);
    free(bytes);
    job_free((struct job *)(uintptr_t)c.before);
    job_free(c.job);
}

static void command_that_cannot_be_read_is_answered(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct command c = {.kind = COMMAND_ACCEPT_CLOCK,
                        .refusal = ERR_UNSUPPORTED,
                        .command_id = {{1}},
                        .epoch = core_epoch(r->core, 0)};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    assert_int_equal(r->reply.err, ERR_UNSUPPORTED);
    assert_true(r->reply.is_recorded);
    assert_int_equal(rig_changes(r, CHANGE_REPLY), 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_of_a_job_comes_through),
        cmocka_unit_test(job_before_an_update_comes_through_as_far_as_it_is_asked_for),
        cmocka_unit_test(cancel_names_its_execution),
        cmocka_unit_test(bulk_brings_its_parts),
        cmocka_unit_test(replay_and_backfill_say_what_is_carried_out_again),
        cmocka_unit_test(trigger_brings_its_body_and_key),
        cmocka_unit_test(who_asks_and_what_changes_comes_through),
        cmocka_unit_test(acknowledgement_of_an_alert_comes_through),
        cmocka_unit_test(alert_that_is_raised_comes_through),
        cmocka_unit_test(outcome_of_an_attempt_comes_through),
        cmocka_unit_test(fields_are_judged),
        cmocka_unit_test(a_ping_keeps_what_it_says),
        cmocka_unit_test(damaged_letter_does_no_harm),
        cmocka_unit_test(command_that_cannot_be_read_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
