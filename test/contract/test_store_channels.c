// SPDX-License-Identifier: MIT
// test_store_channels.c: what every store promises about channels and silences.

#include "store/channels.h"
#include "store_fixture.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400000

static const struct store_adapter *adapter;

struct box {
    struct store_fixture *x;
    struct store_registry *registry;
};

static int setup(void **state)
{
    struct box *b = xcalloc(1, sizeof *b);
    b->x = store_fixture_new(adapter);
    store_assert_ok(store_registry_open(b->x->store, &b->registry, f));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;
    store_registry_close(b->registry);
    store_fixture_free(b->x);
    free(b);
    return 0;
}

static void reopen(struct box *b)
{
    store_registry_close(b->registry);
    b->registry = NULL;
    store_reopen(b->x);
    store_assert_ok(store_registry_open(b->x->store, &b->registry, f));
}

// --- Short ways ------------------------------------------------------------------------------

static struct channel channel_of(const char *name)
{
    return (struct channel){.name = name,
                            .kind = CHANNEL_SLACK,
                            .config = "{\"username\":\"bell\"}",
                            .is_enabled = true,
                            .created_at = STORE_T0,
                            .updated_at = STORE_T0};
}

static struct silence silence_of(const char *reason)
{
    return (struct silence){
        .reason = reason, .from = STORE_T0, .until = STORE_T0 + DAY, .created_at = STORE_T0};
}

static int64_t put(struct box *b, const struct channel *c)
{
    int64_t id = 0;
    store_assert_ok(store_channel_insert(b->registry, NULL, c, &id, f));
    return id;
}

static int64_t put_silence(struct box *b, const struct silence *s)
{
    int64_t id = 0;
    store_assert_ok(store_silence_insert(b->registry, NULL, s, &id, f));
    return id;
}

static enum err try_put(struct box *b, const struct channel *c, const char *why)
{
    struct fault fault = {0};
    int64_t id = 77;
    enum err err = store_channel_insert(b->registry, NULL, c, &id, &fault);
    assert_int_equal(id, 77);
    assert_non_null(strstr(fault.text, why));
    return err;
}

// The texts of a row that was listed, kept.
struct copy {
    struct channel channel;
    struct silence silence;
    char words[512];
    int64_t ids[8];
    size_t count;
};

static const char *or_none(const char *text)
{
    return text ? text : "-";
}

static enum err keep(void *context, const struct channel *c)
{
    struct copy *k = context;
    k->channel = *c;
    if (k->count < COUNT_OF(k->ids))
        k->ids[k->count] = c->id;
    k->count++;
    snprintf(k->words, sizeof k->words, "%s %s %s %s %s %s %s", c->name, channel_kind_name(c->kind),
             c->config, or_none(c->secrets), or_none(c->tags), or_none(c->jobs),
             or_none(c->last_error));
    return ERR_OK;
}

static enum err keep_silence(void *context, const struct silence *s)
{
    struct copy *k = context;
    k->silence = *s;
    if (k->count < COUNT_OF(k->ids))
        k->ids[k->count] = s->id;
    k->count++;
    snprintf(k->words, sizeof k->words, "%s %s %s %s %s", or_none(s->tag), or_none(s->schedule),
             or_none(s->timezone), s->reason, or_none(s->created_by));
    return ERR_OK;
}

static struct copy get(struct box *b, int64_t id)
{
    struct copy k = {0};
    store_assert_ok(store_channel_get(b->registry, id, keep, &k, f));
    assert_int_equal(k.count, 1);
    return k;
}

// --- Channels --------------------------------------------------------------------------------

static void channel_is_read_as_it_was_put_after_a_restart(void **state)
{
    struct box *b = *state;
    struct channel c = channel_of("ops — äöü");
    c.kind = CHANNEL_EMAIL;
    c.secrets = "sealed:v1:k:abc";
    c.kinds = ALERT_KIND_BIT(ALERT_FAILURE) | ALERT_KIND_BIT(ALERT_JOB_PAUSED);
    c.tags = "[\"web\"]";
    c.jobs = "[7,9]";
    c.is_default = true;
    c.is_enabled = false;
    c.updated_at = STORE_T0 + 1;
    int64_t id = put(b, &c);
    struct channel plain = channel_of("plain");
    int64_t second = put(b, &plain);
    assert_true(id > 0 && second > id);
    reopen(b);

    struct copy k = get(b, id);
    assert_string_equal(k.words, "ops — äöü email {\"username\":\"bell\"} sealed:v1:k:abc "
                                 "[\"web\"] [7,9] -");
    assert_int_equal(k.channel.kinds, c.kinds);
    assert_true(k.channel.is_default && !k.channel.is_enabled && k.channel.version == 1);
    assert_true(k.channel.created_at == STORE_T0 && k.channel.updated_at == STORE_T0 + 1);
    assert_true(k.channel.failing_since == 0 && k.channel.delivered_at == 0);
    k = get(b, second);
    assert_string_equal(k.words, "plain slack {\"username\":\"bell\"} - - - -");
    assert_true(k.channel.kinds == 0 && !k.channel.is_default && k.channel.is_enabled);

    struct copy all = {0};
    struct fault fault = {0};
    store_assert_ok(store_channel_list(b->registry, keep, &all, f));
    assert_true(all.count == 2 && all.ids[0] == id && all.ids[1] == second);
    assert_int_equal(store_channel_get(b->registry, second + 1, keep, &all, &fault), ERR_NOT_FOUND);
}

static void name_and_default_belong_to_one_channel(void **state)
{
    struct box *b = *state;
    struct channel c = channel_of("ops");
    c.is_default = true;
    int64_t id = put(b, &c);
    assert_int_equal(try_put(b, &c, "has this name"), ERR_EXISTS);
    c.name = "other";
    assert_int_equal(try_put(b, &c, "\"ops\" is the default"), ERR_EXISTS);
    c.is_default = false;
    int64_t other = put(b, &c);

    struct fault fault = {0};
    struct channel change = channel_of("ops");
    change.id = other;
    change.version = 1;
    assert_int_equal(store_channel_update(b->registry, NULL, &change, &fault), ERR_EXISTS);
    change.name = "other";
    change.is_default = true;
    assert_int_equal(store_channel_update(b->registry, NULL, &change, &fault), ERR_EXISTS);
    store_assert_ok(store_channel_delete(b->registry, NULL, id, STORE_T0, f));
    store_assert_ok(store_channel_update(b->registry, NULL, &change, f));
    assert_true(get(b, other).channel.is_default);
    c.name = "ops";
    assert_true(put(b, &c) > other); // No id is given twice.
}

static void change_replaces_settings_and_leaves_what_deliveries_noted(void **state)
{
    struct box *b = *state;
    struct channel c = channel_of("ops");
    c.secrets = "sealed:v1:k:abc";
    c.id = put(b, &c);
    const struct channel_note note = {STORE_T0 + 5, "no answer", STORE_T0 + 3};
    store_assert_ok(store_channel_note(b->registry, c.id, &note, f));
    c.name = "night";
    c.config = "{}";
    c.secrets = NULL;
    c.kinds = ALERT_KIND_BIT(ALERT_MISSED);
    c.is_enabled = false;
    c.created_at = c.updated_at = STORE_T0 + DAY;
    c.version = 1;
    store_assert_ok(store_channel_update(b->registry, NULL, &c, f));

    struct copy k = get(b, c.id);
    assert_string_equal(k.words, "night slack {} - - - no answer");
    assert_true(k.channel.version == 2 && !k.channel.is_enabled && k.channel.kinds == c.kinds);
    assert_true(k.channel.created_at == STORE_T0 && k.channel.updated_at == STORE_T0 + DAY);
    assert_true(k.channel.failing_since == STORE_T0 + 5);
    assert_true(k.channel.delivered_at == STORE_T0 + 3);
}

static void change_from_another_version_or_of_no_channel_is_refused(void **state)
{
    struct box *b = *state;
    struct fault fault = {0};
    struct channel c = channel_of("ops");
    c.id = put(b, &c);
    c.version = 1;
    store_assert_ok(store_channel_update(b->registry, NULL, &c, f));
    assert_int_equal(store_channel_update(b->registry, NULL, &c, &fault), ERR_CONFLICT);
    assert_int_equal(get(b, c.id).channel.version, 2);
    c.id++;
    assert_int_equal(store_channel_update(b->registry, NULL, &c, &fault), ERR_NOT_FOUND);
    assert_int_equal(store_channel_delete(b->registry, NULL, c.id, STORE_T0, &fault),
                     ERR_NOT_FOUND);
    c.id--;
    store_assert_ok(store_channel_delete(b->registry, NULL, c.id, STORE_T0, f));
    assert_int_equal(store_channel_delete(b->registry, NULL, c.id, STORE_T0, &fault),
                     ERR_NOT_FOUND);
}

static void note_of_deliveries_is_kept_and_ends(void **state)
{
    struct box *b = *state;
    struct channel c = channel_of("ops");
    c.id = put(b, &c);
    struct channel_note note = {STORE_T0 + 5, "no answer", 0};
    store_assert_ok(store_channel_note(b->registry, c.id, &note, f));
    struct copy k = get(b, c.id);
    assert_non_null(strstr(k.words, "no answer"));
    assert_true(k.channel.failing_since == STORE_T0 + 5 && k.channel.delivered_at == 0);
    note = (struct channel_note){0, NULL, STORE_T0 + 9};
    store_assert_ok(store_channel_note(b->registry, c.id, &note, f));
    note.delivered_at = 0; // As it was.
    store_assert_ok(store_channel_note(b->registry, c.id, &note, f));
    k = get(b, c.id);
    assert_true(k.channel.failing_since == 0 && k.channel.delivered_at == STORE_T0 + 9);
    assert_int_equal(k.channel.version, 1);
    store_assert_ok(store_channel_note(b->registry, c.id + 1, &note, f)); // The channel has gone.
}

static void channels_are_as_many_as_there_may_be(void **state)
{
    struct box *b = *state;
    for (int i = 0; i < CHANNEL_COUNT_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "channel %d", i);
        struct channel c = channel_of(name);
        put(b, &c);
    }
    struct channel c = channel_of("beyond");
    assert_int_equal(try_put(b, &c, "200 channels"), ERR_LIMIT);
}

// --- Silences --------------------------------------------------------------------------------

static void silence_is_read_as_it_was_put_after_a_restart(void **state)
{
    struct box *b = *state;
    struct silence s = silence_of("repairs");
    s.job = 7;
    s.tag = "web";
    s.kinds = ALERT_KIND_BIT(ALERT_FAILURE);
    s.until = WALL_NEVER;
    s.schedule = "0 2 * * 0";
    s.timezone = "Europe/Berlin";
    s.duration_s = 3600;
    s.created_by = "ops";
    int64_t id = put_silence(b, &s);
    struct silence plain = silence_of("all");
    int64_t second = put_silence(b, &plain);
    reopen(b);

    struct copy k = {0};
    store_assert_ok(store_silence_get(b->registry, id, keep_silence, &k, f));
    assert_string_equal(k.words, "web 0 2 * * 0 Europe/Berlin repairs ops");
    assert_true(k.silence.job == 7 && k.silence.kinds == s.kinds && k.silence.duration_s == 3600);
    assert_true(k.silence.from == STORE_T0 && k.silence.until == WALL_NEVER);
    k = (struct copy){0};
    store_assert_ok(store_silence_list(b->registry, keep_silence, &k, f));
    assert_true(k.count == 2 && k.ids[0] == id && k.ids[1] == second);
    assert_string_equal(k.words, "- - - all -");
    assert_true(k.silence.job == 0 && k.silence.kinds == 0 && k.silence.duration_s == 0);
    assert_int_equal(k.silence.until, STORE_T0 + DAY);
}

static void silence_is_deleted_once(void **state)
{
    struct box *b = *state;
    struct fault fault = {0};
    struct copy k = {0};
    struct silence s = silence_of("repairs");
    int64_t id = put_silence(b, &s);
    store_assert_ok(store_silence_delete(b->registry, NULL, id, STORE_T0, f));
    assert_int_equal(store_silence_delete(b->registry, NULL, id, STORE_T0, &fault), ERR_NOT_FOUND);
    assert_int_equal(store_silence_get(b->registry, id, keep_silence, &k, &fault), ERR_NOT_FOUND);
    assert_true(put_silence(b, &s) > id);
}

static void silences_that_were_over_long_ago_go_when_another_comes(void **state)
{
    struct box *b = *state;
    struct copy k = {0};
    struct silence s = silence_of("old");
    int64_t first = put_silence(b, &s);
    s = silence_of("later");
    s.until++;
    put_silence(b, &s);
    s = silence_of("every week");
    s.until = WALL_NEVER;
    s.schedule = "@weekly";
    s.duration_s = 60;
    put_silence(b, &s);
    s = silence_of("new");
    s.created_at = s.from = STORE_T0 + DAY + SILENCE_KEPT_MS + 1;
    s.until = s.from + 1;
    put_silence(b, &s);
    store_assert_ok(store_silence_list(b->registry, keep_silence, &k, f));
    assert_true(k.count == 3 && k.ids[0] == first + 1);
}

static void silences_that_are_not_over_are_as_many_as_there_may_be(void **state)
{
    struct box *b = *state;
    struct fault fault = {0};
    struct silence s = silence_of("over");
    put_silence(b, &s);
    for (int i = 0; i < SILENCE_COUNT_MAX; i++) {
        s = silence_of("one of many");
        s.created_at = STORE_T0 + DAY;
        s.until = STORE_T0 + 2 * DAY;
        put_silence(b, &s);
    }
    int64_t id = 77;
    assert_int_equal(store_silence_insert(b->registry, NULL, &s, &id, &fault), ERR_LIMIT);
    assert_int_equal(id, 77);
}

// --- The audit -------------------------------------------------------------------------------

struct told {
    char words[8][320]; // "action subject job by before after", newest first.
    size_t count;
};

static enum err tell(void *context, const struct audit_entry *e)
{
    struct told *t = context;
    assert_true(t->count < COUNT_OF(t->words));
    snprintf(t->words[t->count++], sizeof t->words[0], "%s %s %lld %s %s %s",
             audit_action_name(e->action), e->subject, (long long)e->job, or_none(e->by.token_name),
             or_none(e->before), or_none(e->after));
    return ERR_OK;
}

static void changes_are_in_the_audit_without_secrets_and_refused_ones_are_not(void **state)
{
    struct box *b = *state;
    struct fault fault = {0};
    struct told told = {0};
    const struct audit_query all = {
        .action = -1, .to = WALL_NEVER, .before = {WALL_NEVER, INT64_MAX}, .limit = 10};
    const struct actor by = {
        .token_name = "ops", .token = 7, .address = "192.0.2.7", .request_id = "request-1"};
    struct channel c = channel_of("bell");
    c.secrets = "sealed:v1:k:abc";
    store_assert_ok(store_channel_insert(b->registry, &by, &c, &c.id, f));
    assert_int_equal(try_put(b, &c, "name"), ERR_EXISTS);
    c.secrets = "sealed:v1:k:other";
    c.kinds = ALERT_KIND_BIT(ALERT_MISSED);
    c.version = 1;
    store_assert_ok(store_channel_update(b->registry, &by, &c, f));
    assert_int_equal(store_channel_update(b->registry, &by, &c, &fault), ERR_CONFLICT);
    store_assert_ok(store_channel_delete(b->registry, NULL, c.id, STORE_T0, f));
    struct silence s = silence_of("repairs");
    s.job = 7;
    store_assert_ok(store_silence_insert(b->registry, &by, &s, &s.id, f));
    store_assert_ok(store_silence_delete(b->registry, &by, s.id, STORE_T0, f));

    store_assert_ok(store_list_audit(b->x->reader, &all, tell, &told, f));
    assert_int_equal(told.count, 5);
    assert_string_equal(told.words[4],
                        "channel.create bell 0 ops - {\"name\":\"bell\",\"kind\":\"slack\","
                        "\"settings\":{\"username\":\"bell\"},\"secrets\":{\"secret\":true},"
                        "\"is_default\":false,\"is_enabled\":true}");
    assert_string_equal(told.words[3], "channel.update bell 0 ops {\"secrets\":{\"secret\":true}} "
                                       "{\"secrets\":{\"secret\":true},\"kinds\":[\"missed\"]}");
    assert_non_null(strstr(told.words[2], "channel.delete bell 0 - {\"name\":\"bell\""));
    assert_non_null(strstr(told.words[1], "silence.create repairs 7 ops - {\"job_id\":7,"));
    assert_non_null(strstr(told.words[0], "silence.delete repairs 7 ops {\"job_id\":7,"));
    for (size_t i = 0; i < told.count; i++)
        assert_null(strstr(told.words[i], "sealed"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(channel_is_read_as_it_was_put_after_a_restart),
        TEST(name_and_default_belong_to_one_channel),
        TEST(change_replaces_settings_and_leaves_what_deliveries_noted),
        TEST(change_from_another_version_or_of_no_channel_is_refused),
        TEST(note_of_deliveries_is_kept_and_ends),
        TEST(channels_are_as_many_as_there_may_be),
        TEST(silence_is_read_as_it_was_put_after_a_restart),
        TEST(silence_is_deleted_once),
        TEST(silences_that_were_over_long_ago_go_when_another_comes),
        TEST(silences_that_are_not_over_are_as_many_as_there_may_be),
        TEST(changes_are_in_the_audit_without_secrets_and_refused_ones_are_not),
    };
    int failures = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failures += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failures;
}
