// SPDX-License-Identifier: MIT
// test_channel_secret.c: secret settings of channels: sealed for the row, opened for a message.

#include "alert/channel_form.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>
#include <unistd.h>

#define KEY_A "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define KEY_B "b:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=\n"

static struct secret_ring *ring_of(const char *text)
{
    char path[] = "/tmp/carillon-keys-XXXXXX";
    int fd = mkstemp(path);
    struct secret_ring *r = NULL;
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(secret_ring_open(path, &r, NULL), ERR_OK);
    unlink(path);
    return r;
}

static void secret_settings_are_marked_sealed_and_come_back(void **state)
{
    struct secret_ring *r = ring_of(KEY_A);
    json_t *given = json_pack("{s:s, s:s}", "topic", "bell", "token", "hush"), *all = NULL;
    json_t *config, *secrets;
    (void)state;
    assert_int_equal(channel_settings(CHANNEL_NTFY, given, &config, &secrets, NULL), ERR_OK);
    char *sealed = channel_seal(r, config, secrets);
    char *shown = json_dumps(config, JSON_COMPACT);
    assert_string_equal(shown, "{\"topic\":\"bell\",\"token\":{\"secret\":true}}");
    assert_true(secret_is_sealed(sealed));
    assert_null(strstr(sealed, "hush"));

    struct channel c = {.kind = CHANNEL_NTFY, .config = shown, .secrets = sealed};
    assert_int_equal(channel_open(r, &c, &all, NULL), ERR_OK);
    assert_true(json_equal(all, given));
    json_decref(all);
    json_decref(config);
    json_decref(secrets);
    json_decref(given);
    free(sealed);
    free(shown);
    secret_ring_close(r);
}

static void settings_without_secrets_need_no_key(void **state)
{
    struct channel c = {.kind = CHANNEL_NTFY, .config = "{\"topic\":\"bell\"}"};
    json_t *all = NULL;
    (void)state;
    assert_int_equal(channel_open(NULL, &c, &all, NULL), ERR_OK);
    assert_string_equal(json_string_value(json_object_get(all, "topic")), "bell");
    json_decref(all);
}

static void settings_that_cannot_be_opened_are_refused(void **state)
{
    struct secret_ring *a = ring_of(KEY_A), *b = ring_of(KEY_B);
    char *other = secret_seal(a, "{}", SECRET_JOB_HEADER), *list = secret_seal(a, "[]", "channel");
    char *sealed = secret_seal(a, "{}", SECRET_CHANNEL);
    struct channel c = {.kind = CHANNEL_NTFY, .config = "{}", .secrets = sealed};
    json_t *all = NULL;
    (void)state;
    assert_int_equal(channel_open(b, &c, &all, NULL), ERR_NOT_FOUND);
    assert_int_equal(channel_open(NULL, &c, &all, NULL), ERR_NOT_FOUND);
    c.secrets = other;
    assert_int_equal(channel_open(a, &c, &all, NULL), ERR_UNUSABLE);
    c.secrets = list;
    assert_int_equal(channel_open(a, &c, &all, NULL), ERR_SYNTAX);
    c.secrets = NULL;
    c.config = "[]";
    assert_int_equal(channel_open(a, &c, &all, NULL), ERR_SYNTAX);
    assert_null(all);
    free(other);
    free(list);
    free(sealed);
    secret_ring_close(a);
    secret_ring_close(b);
}

static void secrets_that_come_back_are_covered(void **state)
{
    static const struct {
        enum channel_kind kind;
        const char *settings;
        const char *text;
        const char *shown;
    } cases[] = {
        {CHANNEL_SLACK, "{\"url\":\"https://hooks.example/services/T0/mumbledepeg\"}",
         "hooks.example: no /services/T0/mumbledepeg, and no mumbledepeg here",
         "hooks.example: no ************************, and no *********** here"},
        {CHANNEL_WEBHOOK, "{\"url\":\"http://a\",\"headers\":{\"X\":\"Bearer hushhushhush\"}}",
         "hushhushhush? Bearer hushhushhush! Bearer", "************? *******************! Bearer"},
        {CHANNEL_NTFY, "{\"topic\":\"bell\",\"token\":\"hush\"}", "bell hush hushhus",
         "bell **** ****hus"},
        {CHANNEL_NTFY, "{\"topic\":\"bell\",\"token\":\"a\"}", "a bad answer", "a bad answer"},
        {CHANNEL_SLACK, "{}", "nothing", "nothing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        json_t *settings = json_loads(cases[i].settings, 0, NULL);
        strcpy(text, cases[i].text);
        channel_conceal(cases[i].kind, settings, text);
        assert_string_equal(text, cases[i].shown);
        json_decref(settings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_settings_are_marked_sealed_and_come_back),
        cmocka_unit_test(settings_without_secrets_need_no_key),
        cmocka_unit_test(settings_that_cannot_be_opened_are_refused),
        cmocka_unit_test(secrets_that_come_back_are_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
