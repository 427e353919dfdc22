// SPDX-License-Identifier: MIT
// notices.c: notices for the tests of what channels say.

#include "notices.h"

#include <string.h>

#define LINK "https://carillon.test/jobs/7"

static void add_item(struct notice *n, int64_t alert, const char *name, const char *sentence)
{
    if (!n->items)
        n->items = xcalloc(NOTICE_ITEMS_MAX, sizeof *n->items);
    n->items[n->item_count++] = (struct notice_item){
        .alert = alert,
        .kind = ALERT_FAILURE,
        .job = 7,
        .job_name = xstrdup(name),
        .sentence = xstrdup(sentence),
        .execution = xstrdup("7-1893456000000"),
        .at = NOTICE_AT,
        .incident = 3,
    };
}

void notice_of_failure(struct notice *out)
{
    *out = (struct notice){
        .delivery = 12,
        .at = NOTICE_AT,
        .event = NOTICE_TRIGGER,
        .severity = SEVERITY_CRITICAL,
        .title = xstrdup("Job backup fails"),
        .text = xstrdup("execution 7-1893456000000 of job 7 failed after 4 attempts: a < b & c"),
        .dedup_key = xstrdup("carillon-incident-3"),
        .link = xstrdup(LINK),
        .count = 1,
        .counts = {{ALERT_FAILURE, 1}},
        .count_count = 1,
    };
    add_item(out, 5, "backup", out->text);
}

void notice_of_recovery(struct notice *out)
{
    notice_of_failure(out);
    free(out->title);
    free(out->text);
    out->delivery = 13;
    out->event = NOTICE_RESOLVE;
    out->title = xstrdup("Job backup is well again");
    out->text = xstrdup("4 failures in 20 minutes");
}

void notice_of_herd(struct notice *out)
{
    *out = (struct notice){
        .delivery = 14,
        .at = NOTICE_AT,
        .event = NOTICE_TRIGGER,
        .severity = SEVERITY_CRITICAL,
        .title = xstrdup("10,000 alerts of 9,999 jobs"),
        .dedup_key = xstrdup("carillon-digest-14"),
        .link = xstrdup("https://carillon.test/alerts"),
        .count = 10000,
        .counts = {{ALERT_FAILURE, 9999}, {ALERT_CLOCK, 1}},
        .count_count = 2,
    };
    add_item(out, 5, "first", "it failed");
    add_item(out, 6, NULL, "it failed, too");
}

void notice_of_evil(struct notice *out)
{
    static const char *const pieces[] = {
        "<script>alert(1)</script>",
        "@everyone ",
        "@channel ",
        "<!channel>",
        "<@U1>",
        "\r\n.\r\n",
        "\r\nBcc: x@y.test\r\n",
        "]]>",
        "&amp;",
        "\"",
        "\\",
        "*_~`|>#[x](http://evil.test)",
        "\xc3\xbc",
        "\xe2\x82\xac",
        "\xf0\x9f\x94\x94",
        "\xff",
        "\xc3",
        "\x01\x1b[31m",
        "=?x?B?y?=",
    };
    char text[10241] = "";
    size_t bytes = 0;
    for (size_t i = 0; bytes + 64 < sizeof text; i = (i + 1) % COUNT_OF(pieces)) {
        memcpy(text + bytes, pieces[i], strlen(pieces[i]) + 1);
        bytes += strlen(pieces[i]);
    }
    notice_of_herd(out);
    free(out->title);
    out->title = xstrdup(text);
    out->text = xstrdup(text);
    for (size_t i = out->item_count; i < NOTICE_ITEMS_MAX; i++)
        add_item(out, (int64_t)i, text, text);
}
