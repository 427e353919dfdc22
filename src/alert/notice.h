// SPDX-License-Identifier: MIT
// notice.h: one message to people, about one alert or about thousands.
//
// A notice says what is to be said, and nothing of how a channel says it (alert/channel_form.h). It
// is written once, as JSON, when its delivery is made: each attempt sends the same. That JSON is
// also what a `webhook` channel sends; its schema has a version, and docs/alerts.md describes it.
//
// `title` and `text` are for people: the title is the whole story in a line, and the text what else
// there is to say: of a single alert its sentence, of many how many there are that are not shown.
// When there are several items they are listed below the text, which does not repeat them. Numbers
// are for programs: who wants people to read `counts` says them in the title.

#ifndef CARILLON_ALERT_NOTICE_H
#define CARILLON_ALERT_NOTICE_H

#include "ledger/ledger.h"

#define ENUM ENUM_DECLARE
#define VALUE ENUM_DECLARE_VALUE
#include "alert/notice.def"
#undef ENUM
#undef VALUE

#define NOTICE_VERSION 1
#define NOTICE_TITLE_BYTES_MAX 200
#define NOTICE_TEXT_BYTES_MAX 8192
#define NOTICE_SENTENCE_BYTES_MAX 1024
#define NOTICE_KEY_BYTES_MAX 100
#define NOTICE_LINK_BYTES_MAX 2048
#define NOTICE_NAME_BYTES_MAX 255
#define NOTICE_ITEMS_MAX 10

struct notice_item {
    int64_t alert;
    enum alert_kind kind;
    job_id job;      // 0: the alert is about the server.
    char *job_name;  // NULL: the job has none.
    char *sentence;  // What happened (alert_sentence).
    char *execution; // The public id; NULL: it is about none.
    wall_ms at;
    int64_t incident; // 0: it belongs to none.
    char *link;       // Where to look; NULL: not known.
};

struct notice_count {
    enum alert_kind kind;
    int64_t count;
};

// Owns its texts and items. Zeroed is a notice with nothing in it.
struct notice {
    int64_t delivery; // Idempotency-Key is "carillon-delivery-<id>", webhook-id "msg_<id>". 0: the
                      // delivery has no id yet; the JSON then has none, and its reader sets it.
    wall_ms at;
    enum notice_event event;
    enum notice_severity severity;
    char *title;     // Not NULL. A line.
    char *text;      // NULL: the title says all.
    char *dedup_key; // The same in all notices of an incident: "carillon-incident-<id>". NULL: the
                     // notice stands for itself ("carillon-delivery-<id>" is used).
    char *link;      // Where to look; NULL: no public URL is known.
    int64_t count;   // Alerts that it tells of; more than item_count of a herd.
    struct notice_count counts[ALERT_KINDS]; // Each kind once.
    size_t count_count;
    struct notice_item *items; // The worst few.
    size_t item_count;         // At most NOTICE_ITEMS_MAX.
};

// The notice as JSON, which the caller frees. Texts that are too long are cut, bytes that are no
// UTF-8 become U+FFFD, and line ends in the title spaces: it is always a text that notice_unpack
// takes.
char *notice_pack(const struct notice *n) __attribute__((returns_nonnull));

// Reads what notice_pack has written. Kinds of alerts that this version does not know are left out
// of `counts`, and so are their items. ERR_SYNTAX, with the name of the member that is wrong;
// ERR_UNSUPPORTED: a newer version wrote it.
MUST_CHECK enum err notice_unpack(const char *json, struct notice *out, struct fault *f);

void notice_clear(struct notice *n); // Frees what it owns, and leaves it zeroed.

// What groups the messages of an incident in the channel: the dedup_key, or the delivery's name.
void notice_key(const struct notice *n, char out[static NOTICE_KEY_BYTES_MAX + 1]);

#endif
