// SPDX-License-Identifier: MIT
// test_zone.c: zone files, sound and damaged, and the cache that keeps them.

#include "cron_test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- Making zone files ----

struct file {
    unsigned char bytes[2048];
    size_t size;
};

static void put(struct file *f, int64_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;)
        f->bytes[f->size++] = (unsigned char)((uint64_t)value >> 8 * i);
}

static void put_text(struct file *f, const char *text)
{
    memcpy(f->bytes + f->size, text, strlen(text));
    f->size += strlen(text);
}

static void put_header(struct file *f, char version, uint32_t times, uint32_t types)
{
    put_text(f, "TZif");
    put(f, version, 1);
    f->size += 15;
    put(f, 0, 4); // UT indicators
    put(f, 0, 4); // standard indicators
    put(f, 0, 4); // leap seconds
    put(f, times, 4);
    put(f, types, 4);
    put(f, 4, 4); // characters
}

// A file whose local time is `first_s` until `change_s`, then `second_s`, then what the footer
// says.
static struct file make_file(int32_t first_s, int64_t change_s, int32_t second_s,
                             const char *footer)
{
    struct file f = {0};
    put_header(&f, '2', 0, 0);
    f.size += 4;
    put_header(&f, '2', 1, 2);
    put(&f, change_s, 8);
    put(&f, 1, 1);
    put(&f, first_s, 4);
    put(&f, 0, 2);
    put(&f, second_s, 4);
    put(&f, 0, 2);
    put_text(&f, "LMT");
    put(&f, 0, 1);
    put_text(&f, "\n");
    put_text(&f, footer);
    put_text(&f, "\n");
    return f;
}

// A zone that follows the footer from 1970 on.
static struct zone *zone_with(const char *footer, int32_t standard_s)
{
    struct file file = make_file(0, 0, standard_s, footer);
    struct zone *z;
    struct fault f = {0};
    if (zone_parse(file.bytes, file.size, "Test/Zone", &z, &f))
        fail_msg("%s: %s", footer, f.text);
    return z;
}

// ---- Footers ----

// The footers of real zones that a quick reader gets wrong, and some that RFC 9636 allows.
static void odd_footers_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *footer;
        int32_t standard_s;
        const char *at;
        int32_t before_s, after_s; // The offsets in the second before `at` and at it.
    } rows[] = {
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -7200, "2040-03-25T01:00:00Z", -7200, -3600}, // Nuuk
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -7200, "2040-10-28T01:00:00Z", -3600, -7200},
        {"IST-2IDT,M3.4.4/26,M10.5.0", 7200, "2040-03-23T00:00:00Z", 7200, 10800},     // Jerusalem
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", 7200, "2040-03-24T00:00:00Z", 7200, 10800}, // Gaza
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 3600, "2040-10-28T01:00:00Z", 3600, 0},         // Dublin
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 3600, "2040-03-25T01:00:00Z", 0, 3600},
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 37800, "2040-10-06T15:30:00Z", 37800, 39600},
        {"MST7", -25200, "2040-07-01T00:00:00Z", -25200, -25200},
        {"AAA3BBB,J60/0,J300/0", -10800, "2040-03-01T03:00:00Z", -10800, -7200}, // A leap year.
        {"AAA3BBB,59/0,300/0", -10800, "2040-02-29T03:00:00Z", -10800, -7200},
        {"AAA3BBB,59/0,300/0", -10800, "2041-03-01T03:00:00Z", -10800, -7200},
        {"XXX3EDT4,0/0,J365/23", -10800, "2040-12-31T12:00:00Z", -14400, -14400}, // All year.
        {"XXX3EDT4,0/0,J365/23", -10800, "2041-01-01T03:00:00Z", -14400, -14400},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 3600, "2199-10-27T01:00:00Z", 7200, 3600},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct zone *z = zone_with(rows[i].footer, rows[i].standard_s);
        int64_t at_s = instant_of(rows[i].at) / 1000;
        int32_t before_s = zone_offset_s(z, at_s - 1), after_s = zone_offset_s(z, at_s);
        if (before_s != rows[i].before_s || after_s != rows[i].after_s)
            fail_msg("%s at %s: %d then %d", rows[i].footer, rows[i].at, before_s, after_s);
        zone_free(z);
    }
}

static void wrong_footers_are_refused(void **state)
{
    (void)state;
    static const char *const footers[] = {"CET",
                                          "CE-1",
                                          "CET-25",
                                          "CET-1CEST",
                                          "CET-1CEST,M3.5.0",
                                          "CET-1CEST,M13.5.0,M10.5.0",
                                          "CET-1CEST,M3.6.0,M10.5.0",
                                          "CET-1CEST,M3.5.7,M10.5.0",
                                          "CET-1CEST,M3.5.0/168,M10.5.0",
                                          "CET-1CEST,J0,J100",
                                          "CET-1CEST,366,100",
                                          "CET-1CEST,M3.5.0,M10.5.0/3x",
                                          "<+1030-10:30",
                                          "<>3",
                                          ":Europe/Paris",
                                          "CET-1:60"};
    for (size_t i = 0; i < COUNT_OF(footers); i++) {
        struct file file = make_file(0, 0, 3600, footers[i]);
        struct zone *z;
        struct fault f = {0};
        if (zone_parse(file.bytes, file.size, "Test/Zone", &z, &f) != ERR_SYNTAX)
            fail_msg("%s is accepted", footers[i]);
    }
}

// ---- Files ----

static void every_cut_of_a_file_is_refused(void **state)
{
    (void)state;
    struct file file = make_file(3600, 1000, 7200, "CET-1CEST,M3.5.0,M10.5.0/3");
    struct zone *z = NULL;
    for (size_t size = 0; size < file.size; size++) {
        unsigned char *exact = malloc(size ? size : 1); // So that a sanitizer sees its end.
        memcpy(exact, file.bytes, size);
        struct fault f = {0};
        assert_int_equal(zone_parse(exact, size, "Test/Zone", &z, &f), ERR_SYNTAX);
        assert_null(z);
        assert_true(f.text[0]);
        free(exact);
    }
    assert_int_equal(zone_parse(file.bytes, file.size, "Test/Zone", &z, NULL), ERR_OK);
    assert_int_equal(zone_offset_s(z, 999), 3600);
    assert_int_equal(zone_offset_s(z, 1000), 7200);
    assert_string_equal(zone_name(z), "Test/Zone");
    zone_free(z);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char byte;
        const char *text;
    } rows[] = {
        {0, 'X', "not a zone file"},
        {4, 0, "without a 64-bit block"},
        {48, 'X', "cut short"},
        {48 + 31, 1, "leap seconds"},
        {48 + 35, 200, "cut short"},
        {48 + 39, 0, "no offset"},
        {48 + 44 + 8, 2, "impossible offset"},
        {48 + 44 + 9, 1, "offset is out of range"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct file file = make_file(3600, 1000, 7200, "CET-1");
        file.bytes[rows[i].at] = rows[i].byte;
        struct zone *z;
        struct fault f = {0};
        assert_int_equal(zone_parse(file.bytes, file.size, "Test/Zone", &z, &f), ERR_SYNTAX);
        if (!strstr(f.text, rows[i].text))
            fail_msg("row %zu: %s", i, f.text);
    }
}

// ---- Names and the cache ----

static void zones_are_found_once(void **state)
{
    (void)state;
    const struct zone *z = zone_of("Europe/Paris");
    assert_ptr_equal(zone_of("Europe/Paris"), z);
    assert_string_equal(zone_name(z), "Europe/Paris");
    assert_string_equal(zone_name(zone_of("Asia/Calcutta")), "Asia/Calcutta"); // As given.
    assert_ptr_equal(zone_of("UTC"), zone_utc());
    assert_int_equal(zone_offset_s(zone_utc(), 1000000000), 0);
}

static void forbidden_names_are_unknown(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "/etc/passwd",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "posix/UTC",
        "right/UTC",
        "posixrules",
        "localtime",
        "Factory",
        "europe/paris",
        "Europe",
        "Europe/",
        "tzdata.zi",
        "Europe//Paris",
        "Mars/Base",
        "Europe/Pa\xff",
        "zone.tab",
        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct zone *z = NULL;
        struct fault f = {0};
        if (zone_find(names[i], &z, &f) != ERR_NOT_FOUND)
            fail_msg("'%s' is found", names[i]);
        assert_null(z);
        assert_true(strstr(f.text, "unknown time zone"));
    }
}

static void misspelt_names_lead_to_near_ones(void **state)
{
    (void)state;
    static const struct {
        const char *wrong, *right;
    } rows[] = {
        {"europe/paris", "Europe/Paris"},
        {"Europe/Pariss", "Europe/Paris"},
        {"Berlin", "Europe/Berlin"},
        {"America/Berlin", "Europe/Berlin"},
        {"America/New York", "America/New_York"},
        {"utc", "UTC"},
        {"Asia/Tokoy", "Asia/Tokyo"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char near[ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES];
        size_t count = zone_suggest(rows[i].wrong, near);
        if (count == 0 || strcmp(near[0], rows[i].right) != 0)
            fail_msg("'%s' leads to '%s'", rows[i].wrong, count ? near[0] : "nothing");
    }
    char near[ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES];
    assert_int_equal(zone_suggest("qwertyuiop", near), 0);

    const struct zone *z;
    struct fault f = {0};
    assert_int_equal(zone_find("Europe/Pariss", &z, &f), ERR_NOT_FOUND);
    assert_string_equal(f.text, "unknown time zone 'Europe/Pariss'; did you mean Europe/Paris?");
}

// Names that no zone has, but that other systems use for one.
static void foreign_names_lead_to_the_zone_they_mean(void **state)
{
    (void)state;
    static const struct {
        const char *wrong, *hint;
    } rows[] = {
        {"PST", "America/Los_Angeles"},
        {"cest", "Europe/Berlin"},
        {"IST", "Asia/Kolkata, Europe/Dublin or Asia/Jerusalem"},
        {"Pacific Standard Time", "America/Los_Angeles"},
        {"eastern daylight time", "America/New_York"},
        {"W. Europe Standard Time", "Europe/Berlin"},
        {"Central Standard Time (Mexico)", "America/Mexico_City"},
        {"+02:00",
         "Etc/GMT-2 (2 hours ahead of UTC all year; the sign in its name is turned round)"},
        {"UTC+2",
         "Etc/GMT-2 (2 hours ahead of UTC all year; the sign in its name is turned round)"},
        {"GMT-5", "Etc/GMT+5 (5 hours behind UTC all year; the sign in its name is turned round)"},
        {"-1100",
         "Etc/GMT+11 (11 hours behind UTC all year; the sign in its name is turned round)"},
        {"UTC+0", "UTC"},
        {"+05:30", "Asia/Kolkata"},
        {"UTC+14",
         "Etc/GMT-14 (14 hours ahead of UTC all year; the sign in its name is turned round)"},
        {"UTC+15", ""},
        {"+99:99", ""},
        {"+", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char hint[ZONE_HINT_BYTES];
        const struct zone *z;
        zone_hint(rows[i].wrong, hint);
        if (strcmp(hint, rows[i].hint) != 0)
            fail_msg("'%s' leads to '%s'", rows[i].wrong, hint);
        assert_int_equal(zone_find(rows[i].wrong, &z, NULL), ERR_NOT_FOUND);
    }
}

// Each zone that the table of foreign names leads to exists, so that no hint is wrong.
static void every_foreign_name_leads_to_a_zone(void **state)
{
    (void)state;
    static const char *const names[] = {
#define ALIAS(written, ...) __VA_ARGS__,
#include "zones/zone_alias.def"
#undef ALIAS
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        zone_of(names[i]);
}

static void write_zone(const char *folder, const char *name, const struct file *file)
{
    char path[256], temporary[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(temporary, sizeof temporary, "%s/new", folder);
    FILE *out = fopen(temporary, "wbe");
    assert_non_null(out);
    assert_int_equal(fwrite(file->bytes, 1, file->size, out), file->size);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(temporary, path), 0);
}

// A new release of the zone data arrives while the program runs.
static void changed_files_are_read_again(void **state)
{
    (void)state;
    char folder[] = "/tmp/carillon-zones-XXXXXX";
    assert_non_null(mkdtemp(folder));
    zone_directory_set(folder);
    struct file old_rules = make_file(0, 1000, 3600, "AAA-1"), same = old_rules;
    struct file new_rules = make_file(0, 1000, 7200, "AAA-2");
    struct file damaged = {.bytes = "nonsense", .size = 8};
    struct fault f = {0};

    write_zone(folder, "Here", &old_rules);
    const struct zone *before = zone_of("Here");
    assert_int_equal(zone_refresh(&f), 0); // Nothing has changed.
    write_zone(folder, "Here", &same);
    assert_int_equal(zone_refresh(&f), 0); // A new file with the same rules.
    assert_ptr_equal(zone_of("Here"), before);
    assert_int_equal(f.code, ERR_OK);

    write_zone(folder, "Here", &damaged);
    assert_int_equal(zone_refresh(&f), 0); // Told, and the rules stay.
    assert_int_equal(f.code, ERR_SYNTAX);
    assert_non_null(strstr(f.text, "Here"));
    assert_ptr_equal(zone_of("Here"), before);

    write_zone(folder, "Here", &new_rules);
    assert_int_equal(zone_refresh(NULL), 1);
    const struct zone *after = zone_of("Here");
    assert_ptr_not_equal(after, before);
    assert_int_equal(zone_offset_s(after, 5000), 7200);
    assert_int_equal(zone_offset_s(before, 5000), 3600); // Still valid for who holds it.
    assert_int_equal(zone_refresh(NULL), 0);

    char path[256];
    snprintf(path, sizeof path, "%s/Here", folder);
    assert_int_equal(unlink(path), 0);
    f = (struct fault){0};
    assert_int_equal(zone_refresh(&f), 0);
    assert_int_equal(f.code, ERR_NOT_FOUND);
    assert_ptr_equal(zone_of("Here"), after);

    char version[ZONE_VERSION_BYTES];
    zone_data_version(version);
    assert_string_equal(version, "unknown");
    assert_int_equal(rmdir(folder), 0);
    zone_directory_set("/usr/share/zoneinfo");
}

static void the_release_of_the_data_is_known(void **state)
{
    (void)state;
    char version[ZONE_VERSION_BYTES];
    zone_data_version(version);
    assert_int_equal(strncmp(version, "20", 2), 0); // Such as 2026f.
    assert_in_range(strlen(version), 5, 6);
}

static void *find_many(void *unused)
{
    static char complaint[] = "a wrong zone";
    static const char *const names[] = {"Asia/Tokyo", "Asia/Dubai", "America/Lima", "Nowhere",
                                        "Africa/Cairo"};
    char near[ZONE_SUGGESTIONS_MAX][ZONE_NAME_BYTES];
    for (int i = 0; i < 200; i++) {
        const struct zone *z;
        struct fault f = {0};
        const char *name = names[i % (int)COUNT_OF(names)];
        if (zone_find(name, &z, &f) == ERR_OK && strcmp(zone_name(z), name) != 0)
            return complaint;
        if (i % 50 == 0)
            zone_refresh(NULL);
        if (i % 50 == 1)
            zone_suggest(name, near);
    }
    return unused;
}

// Run under a thread sanitizer, this finds races; without, at least torn answers.
static void threads_share_the_cache(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_many, NULL), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *complaint;
        assert_int_equal(pthread_join(threads[i], &complaint), 0);
        assert_null(complaint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        // First, while nothing of the system's is cached.
        cmocka_unit_test(changed_files_are_read_again),
        cmocka_unit_test(odd_footers_are_understood),
        cmocka_unit_test(wrong_footers_are_refused),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(zones_are_found_once),
        cmocka_unit_test(forbidden_names_are_unknown),
        cmocka_unit_test(misspelt_names_lead_to_near_ones),
        cmocka_unit_test(foreign_names_lead_to_the_zone_they_mean),
        cmocka_unit_test(every_foreign_name_leads_to_a_zone),
        cmocka_unit_test(the_release_of_the_data_is_known),
        cmocka_unit_test(threads_share_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
