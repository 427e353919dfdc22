// SPDX-License-Identifier: MIT
// channel_form.c: a notice as a request to each provider.
//
// A provider is a function that makes the body, and says where it goes and with which headers. What
// people read is the same everywhere: the title, the text, the items if there are several, and a
// link.
// The limits are those that the providers document; docs/alerts.md names them.

#include "alert/channel_priv.h"

#include "base/stream.h"
#include "secrets/signing.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define LINK_WORDS "Open in Carillon"

#define SLACK_CHARACTERS 4000
#define DISCORD_TITLE_CHARACTERS 256
#define DISCORD_DESCRIPTION_CHARACTERS 4096
#define TEAMS_BODY_BYTES 20000 // With all that is around it, less than the 28 KB of a message.
#define TEAMS_LINES 40
#define PAGERDUTY_SUMMARY_CHARACTERS 1024
#define PAGERDUTY_SOURCE_CHARACTERS 255
#define OPSGENIE_MESSAGE_CHARACTERS 130
#define OPSGENIE_DESCRIPTION_CHARACTERS 15000
#define OPSGENIE_NOTE_CHARACTERS 25000
#define NTFY_MESSAGE_BYTES 4096 // A longer one becomes an attachment.
#define TELEGRAM_SHOWN 4096

// --- What they share -----------------------------------------------------------------------------

static const char *setting_of(enum channel_kind kind, const json_t *settings, const char *name)
{
    size_t count;
    const char *given = json_string_value(json_object_get(settings, name));
    const struct channel_member *m = channel_members(kind, &count);
    for (size_t i = 0; i < count && !given; i++)
        if (strcmp(m[i].name, name) == 0)
            given = m[i].initial;
    return given;
}

const char *channel__title(const struct notice *n)
{
    return n->title && *n->title ? n->title : "(no title)";
}

const char *channel__setting(enum channel_kind kind, const json_t *settings, const char *name)
{
    return setting_of(kind, settings, name);
}

// On a line of its own, if anything stands before it.
static void begin_line(struct prose *p, size_t start)
{
    prose_say(p, p->count > start ? "\n" : "");
}

static void say_item(struct prose *p, const struct notice_item *i)
{
    prose_say(p, "\xe2\x80\xa2 ");
    prose_say(p, i->job_name);
    prose_say(p, i->job_name ? ": " : "");
    prose_say(p, i->sentence);
}

void channel__say_body(struct prose *p, const struct notice *n)
{
    size_t start = p->count;
    prose_say(p, n->text);
    for (size_t i = 0; i < n->item_count && n->item_count > 1; i++) {
        begin_line(p, start);
        say_item(p, &n->items[i]);
    }
}

static char *said(const struct prose_manner *m, size_t limit, const char *text)
{
    struct prose p;
    prose_init(&p, m, limit);
    prose_say(&p, text);
    return prose_take(&p);
}

static char *body_said(const struct prose_manner *m, size_t limit, const struct notice *n)
{
    struct prose p;
    prose_init(&p, m, limit);
    channel__say_body(&p, n);
    return prose_take(&p);
}

// Takes the text over.
static json_t *json_of(char *text)
{
    json_t *value = json_string(text);
    free(text);
    assert(value); // prose writes nothing but UTF-8.
    return value;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text)
        json_object_set_new(object, name, json_of(said(&prose_plain, SIZE_MAX / 2, text)));
}

// What a colour says; a recovery is good news, however bad the incident was.
enum mood { MOOD_BAD, MOOD_UNEASY, MOOD_GOOD, MOOD_CALM, MOODS };

static enum mood mood_of(const struct notice *n)
{
    if (n->event == NOTICE_RESOLVE)
        return MOOD_GOOD;
    if (n->event == NOTICE_ACK || n->event == NOTICE_TEST || n->severity == SEVERITY_INFO)
        return MOOD_CALM;
    return n->severity == SEVERITY_CRITICAL ? MOOD_BAD : MOOD_UNEASY;
}

static const int colours[MOODS] = {0xd32f2f, 0xf9a825, 0x2e7d32, 0x1976d2};

// Without the slashes at its end.
static void write_base(FILE *to, const char *url)
{
    size_t bytes = strlen(url);
    while (bytes > 0 && url[bytes - 1] == '/')
        bytes--;
    fwrite(url, 1, bytes, to);
}

static void write_encoded(FILE *to, const char *text)
{
    for (const char *p = text; *p; p++)
        if (strchr("-._~:", *p) || ascii_is_digit(*p) || ascii_is_letter(*p))
            fputc(*p, to);
        else
            fprintf(to, "%%%02X", (unsigned char)*p);
}

// A provider writes the lines of its own headers to `headers`.
struct form {
    const json_t *settings;
    const struct notice *n;
    wall_ms now;
    FILE *url;
    FILE *headers;
    char *body;   // Set by the provider, or made of `json`.
    json_t *json; // Owned by the form.
    bool has_content_type;
};

// --- Webhook -------------------------------------------------------------------------------------

static void sign(struct form *o, const char *secret)
{
    char signature[SIGNING_SIGNATURE_CHARS];
    char *text;
    size_t bytes;
    FILE *to = stream_open(&text, &bytes);
    fprintf(to, "msg_%" PRId64 ".%" PRId64 ".%s", o->n->delivery, o->now / 1000, o->body);
    stream_close(to);
    signing_sign(secret, text, bytes, signature);
    fprintf(o->headers, "webhook-signature: %s\n", signature);
    free(text);
}

static void form_webhook(struct form *o)
{
    const char *name;
    json_t *value;
    const char *secret = json_string_value(json_object_get(o->settings, "secret"));
    fputs(setting_of(CHANNEL_WEBHOOK, o->settings, "url"), o->url);
    o->body = notice_pack(o->n);
    fprintf(o->headers, "webhook-id: msg_%" PRId64 "\nwebhook-timestamp: %" PRId64 "\n",
            o->n->delivery, o->now / 1000);
    if (secret)
        sign(o, secret);
    json_object_foreach(json_object_get(o->settings, "headers"), name, value) {
        o->has_content_type |= strcasecmp(name, "Content-Type") == 0;
        fprintf(o->headers, "%s: %s\n", name, json_string_value(value));
    }
}

// --- Slack, Mattermost, Rocket.Chat --------------------------------------------------------------

// A mention is `<!here>` in Slack, and `@here` in the others. Both show the entities as characters.
static const struct prose_escape slack_escapes[] = {
    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {0}};
static const struct prose_manner slack_manner = {
    .unit = PROSE_UTF16, .tames_at = true, .escapes = slack_escapes};

static json_t *slack_attachment(const struct notice *n)
{
    char colour[8];
    snprintf(colour, sizeof colour, "#%06x", (unsigned)colours[mood_of(n)]);
    json_t *a = json_pack("{s:s,s:o,s:o,s:[],s:s,s:I}", "color", colour, "fallback",
                          json_of(said(&slack_manner, SLACK_CHARACTERS, channel__title(n))), "text",
                          json_of(body_said(&slack_manner, SLACK_CHARACTERS, n)), "mrkdwn_in",
                          "footer", "Carillon", "ts", (json_int_t)(n->at / 1000));
    if (n->link) {
        set_text(a, "title", LINK_WORDS);
        set_text(a, "title_link", n->link);
    }
    return a;
}

static void form_slack(struct form *o)
{
    fputs(setting_of(CHANNEL_SLACK, o->settings, "url"), o->url);
    o->json = json_pack("{s:o,s:b,s:[o]}", "text",
                        json_of(said(&slack_manner, SLACK_CHARACTERS, channel__title(o->n))),
                        "mrkdwn", 0, "attachments", slack_attachment(o->n));
}

// --- Discord -------------------------------------------------------------------------------------

static const struct prose_escape markdown_escapes[] = {
    {'\\', "\\\\"}, {'*', "\\*"}, {'_', "\\_"}, {'~', "\\~"}, {'`', "\\`"}, {'|', "\\|"},
    {'>', "\\>"},   {'<', "\\<"}, {'#', "\\#"}, {'[', "\\["}, {']', "\\]"}, {0}};
static const struct prose_manner discord_manner = {
    .unit = PROSE_UTF16, .tames_at = true, .escapes = markdown_escapes};

static void form_discord(struct form *o)
{
    char at[RFC3339_BYTES];
    const struct notice *n = o->n;
    wall_format(n->at, at);
    fputs(setting_of(CHANNEL_DISCORD, o->settings, "url"), o->url);
    json_t *embed =
        json_pack("{s:o,s:i,s:s,s:{s:s}}", "title",
                  json_of(said(&discord_manner, DISCORD_TITLE_CHARACTERS, channel__title(n))),
                  "color", colours[mood_of(n)], "timestamp", at, "footer", "text", "Carillon");
    char *description = body_said(&discord_manner, DISCORD_DESCRIPTION_CHARACTERS, n);
    if (*description)
        json_object_set_new(embed, "description", json_string(description));
    free(description);
    set_text(embed, "url", n->link);
    o->json = json_pack("{s:[o],s:{s:[]}}", "embeds", embed, "allowed_mentions", "parse");
}

// --- Teams ---------------------------------------------------------------------------------------

// A TextBlock would read Markdown, which a TextRun does not. A line is a block of its own.
static const struct prose_manner teams_manner = {.unit = PROSE_JSON_BYTES};
static const struct prose_manner teams_title = {.unit = PROSE_JSON_BYTES, .is_line = true};

static json_t *teams_line(const char *text, size_t bytes, const char *weight, const char *colour)
{
    return json_pack("{s:s,s:[{s:s,s:s%,s:s,s:s}]}", "type", "RichTextBlock", "inlines", "type",
                     "TextRun", "text", text, bytes, "weight", weight, "color", colour);
}

static json_t *teams_card(const struct notice *n)
{
    static const char *const words[MOODS] = {"Attention", "Warning", "Good", "Accent"};
    json_t *lines = json_array();
    char *title = said(&teams_title, NOTICE_TITLE_BYTES_MAX, channel__title(n));
    char *body = body_said(&teams_manner, TEAMS_BODY_BYTES, n);
    json_array_append_new(lines, teams_line(title, strlen(title), "Bolder", words[mood_of(n)]));
    for (const char *p = body; *p && json_array_size(lines) < TEAMS_LINES;) {
        size_t bytes = strcspn(p, "\n");
        if (bytes > 0)
            json_array_append_new(lines, teams_line(p, bytes, "Default", "Default"));
        p += bytes + (p[bytes] == '\n');
    }
    free(title);
    free(body);
    json_t *card =
        json_pack("{s:s,s:s,s:s,s:o,s:{s:s}}", "$schema",
                  "http://adaptivecards.io/schemas/adaptive-card.json", "type", "AdaptiveCard",
                  "version", "1.4", "body", lines, "msteams", "width", "Full");
    if (n->link)
        json_object_set_new(card, "actions",
                            json_pack("[{s:s,s:s,s:s}]", "type", "Action.OpenUrl", "title",
                                      LINK_WORDS, "url", n->link));
    return card;
}

static void form_teams(struct form *o)
{
    fputs(setting_of(CHANNEL_TEAMS, o->settings, "url"), o->url);
    o->json = json_pack("{s:s,s:[{s:s,s:n,s:o}]}", "type", "message", "attachments", "contentType",
                        "application/vnd.microsoft.card.adaptive", "contentUrl", "content",
                        teams_card(o->n));
}

// --- PagerDuty -----------------------------------------------------------------------------------

static const struct prose_manner plain_utf16 = {.unit = PROSE_UTF16};

// What the notice is about: its job, if there is one.
static const char *source_of(const struct notice *n)
{
    bool has_name = n->item_count == 1 && n->items[0].job_name;
    return has_name ? n->items[0].job_name : "Carillon";
}

static json_t *details_of(const struct notice *n)
{
    json_t *counts = json_object();
    json_t *alerts = json_array();
    for (size_t i = 0; i < n->count_count; i++)
        json_object_set_new(counts, alert_kind_name(n->counts[i].kind),
                            json_integer(n->counts[i].count));
    for (size_t i = 0; i < n->item_count; i++)
        json_array_append_new(
            alerts, json_of(said(&prose_plain, NOTICE_SENTENCE_BYTES_MAX, n->items[i].sentence)));
    json_t *details = json_pack("{s:I,s:o,s:o}", "count", (json_int_t)n->count, "counts", counts,
                                "alerts", alerts);
    set_text(details, "message", n->text);
    return details;
}

static json_t *pagerduty_payload(const struct notice *n)
{
    char at[RFC3339_BYTES];
    wall_format(n->at, at);
    return json_pack(
        "{s:o,s:o,s:s,s:s,s:o}", "summary",
        json_of(said(&plain_utf16, PAGERDUTY_SUMMARY_CHARACTERS, channel__title(n))), "source",
        json_of(said(&plain_utf16, PAGERDUTY_SOURCE_CHARACTERS, source_of(n))), "severity",
        notice_severity_name(n->severity), "timestamp", at, "custom_details", details_of(n));
}

static const char *pagerduty_action(const struct notice *n)
{
    if (n->event == NOTICE_RESOLVE)
        return "resolve";
    return n->event == NOTICE_ACK ? "acknowledge" : "trigger";
}

static void form_pagerduty(struct form *o)
{
    char key[NOTICE_KEY_BYTES_MAX + 1];
    const struct notice *n = o->n;
    const char *action = pagerduty_action(n);
    notice_key(n, key);
    fputs(setting_of(CHANNEL_PAGERDUTY, o->settings, "url"), o->url);
    o->json = json_pack("{s:s,s:s,s:s}", "routing_key",
                        setting_of(CHANNEL_PAGERDUTY, o->settings, "routing_key"), "event_action",
                        action, "dedup_key", key);
    if (strcmp(action, "trigger") != 0)
        return;
    set_text(o->json, "client", "Carillon");
    json_object_set_new(o->json, "payload", pagerduty_payload(n));
    if (!n->link)
        return;
    set_text(o->json, "client_url", n->link);
    json_object_set_new(o->json, "links",
                        json_pack("[{s:s,s:s}]", "href", n->link, "text", LINK_WORDS));
}

// --- Opsgenie ------------------------------------------------------------------------------------

static const char *opsgenie_base(const json_t *settings)
{
    const char *url = setting_of(CHANNEL_OPSGENIE, settings, "url");
    const char *region = setting_of(CHANNEL_OPSGENIE, settings, "region");
    if (url)
        return url;
    return strcmp(region, opsgenie_region_name(OPSGENIE_EU)) == 0 ? "https://api.eu.opsgenie.com"
                                                                  : "https://api.opsgenie.com";
}

static json_t *opsgenie_alert(const struct notice *n, const char *alias)
{
    static const char *const priorities[NOTICE_SEVERITIES] = {
        [SEVERITY_INFO] = "P5", [SEVERITY_WARNING] = "P3", [SEVERITY_CRITICAL] = "P1"};
    json_t *alert = json_pack(
        "{s:o,s:s,s:o,s:s,s:s}", "message",
        json_of(said(&plain_utf16, OPSGENIE_MESSAGE_CHARACTERS, channel__title(n))), "alias", alias,
        "description", json_of(body_said(&plain_utf16, OPSGENIE_DESCRIPTION_CHARACTERS, n)),
        "priority", priorities[n->severity], "source", "Carillon");
    if (n->link)
        json_object_set_new(alert, "details", json_pack("{s:s}", "link", n->link));
    return alert;
}

// An alias that nobody knows is no error there: such a request is taken and forgotten.
static void form_opsgenie(struct form *o)
{
    char key[NOTICE_KEY_BYTES_MAX + 1];
    const struct notice *n = o->n;
    notice_key(n, key);
    fprintf(o->headers, "Authorization: GenieKey %s\n",
            setting_of(CHANNEL_OPSGENIE, o->settings, "api_key"));
    write_base(o->url, opsgenie_base(o->settings));
    fputs("/v2/alerts", o->url);
    if (n->event != NOTICE_RESOLVE && n->event != NOTICE_ACK) {
        o->json = opsgenie_alert(n, key);
        return;
    }
    fputc('/', o->url);
    write_encoded(o->url, key);
    fputs(n->event == NOTICE_RESOLVE ? "/close" : "/acknowledge", o->url);
    fputs("?identifierType=alias", o->url);
    o->json = json_pack("{s:s,s:o}", "source", "Carillon", "note",
                        json_of(said(&plain_utf16, OPSGENIE_NOTE_CHARACTERS, channel__title(n))));
}

// --- ntfy ----------------------------------------------------------------------------------------

static json_t *ntfy_priority(const json_t *settings, const struct notice *n)
{
    json_t *given = json_object_get(settings, "priority");
    if (given)
        return json_incref(given);
    return json_integer(mood_of(n) == MOOD_BAD ? 4 : 3);
}

// The words of emoji that ntfy shows before the title.
static json_t *ntfy_tags(const json_t *settings, const struct notice *n)
{
    static const char *const words[MOODS] = {"rotating_light", "warning", "white_check_mark",
                                             "information_source"};
    size_t index;
    json_t *tag;
    json_t *tags = json_pack("[s]", words[mood_of(n)]);
    json_array_foreach(json_object_get(settings, "tags"), index, tag)
        json_array_append(tags, tag);
    return tags;
}

// The message is plain text there unless it is said to be Markdown.
static void form_ntfy(struct form *o)
{
    const struct notice *n = o->n;
    const char *token = setting_of(CHANNEL_NTFY, o->settings, "token");
    char *message = body_said(&prose_plain, NTFY_MESSAGE_BYTES, n);
    if (token)
        fprintf(o->headers, "Authorization: Bearer %s\n", token);
    fputs(setting_of(CHANNEL_NTFY, o->settings, "url"), o->url);
    o->json = json_pack(
        "{s:s,s:o,s:o,s:o,s:o}", "topic", setting_of(CHANNEL_NTFY, o->settings, "topic"), "title",
        json_of(said(&prose_line, NOTICE_TITLE_BYTES_MAX, channel__title(n))), "message",
        json_of(said(&prose_plain, NTFY_MESSAGE_BYTES, *message ? message : channel__title(n))),
        "priority", ntfy_priority(o->settings, n), "tags", ntfy_tags(o->settings, n));
    free(message);
    set_text(o->json, "click", n->link);
}

// --- Telegram ------------------------------------------------------------------------------------

static const struct prose_escape html_escapes[] = {
    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {0}};
static const struct prose_manner telegram_manner = {.unit = PROSE_SHOWN, .escapes = html_escapes};

static json_t *telegram_text(const struct notice *n)
{
    struct prose p;
    prose_init(&p, &telegram_manner, TELEGRAM_SHOWN - strlen("\n" LINK_WORDS));
    prose_mark(&p, "<b>");
    prose_say(&p, channel__title(n));
    prose_mark(&p, "</b>");
    if (n->text || n->item_count > 1)
        prose_say(&p, "\n\n");
    channel__say_body(&p, n);
    if (n->link) {
        char *link = said(&telegram_manner, NOTICE_LINK_BYTES_MAX, n->link);
        prose_mark(&p, "\n<a href=\"");
        prose_mark(&p, link);
        prose_mark(&p, "\">" LINK_WORDS "</a>");
        free(link);
    }
    return json_of(prose_take(&p));
}

static void form_telegram(struct form *o)
{
    write_base(o->url, setting_of(CHANNEL_TELEGRAM, o->settings, "url"));
    fputs("/bot", o->url);
    write_encoded(o->url, setting_of(CHANNEL_TELEGRAM, o->settings, "bot_token"));
    fputs("/sendMessage", o->url);
    o->json =
        json_pack("{s:s,s:o,s:s,s:{s:b}}", "chat_id",
                  setting_of(CHANNEL_TELEGRAM, o->settings, "chat_id"), "text", telegram_text(o->n),
                  "parse_mode", "HTML", "link_preview_options", "is_disabled", 1);
    json_t *thread = json_object_get(o->settings, "message_thread_id");
    if (thread)
        json_object_set(o->json, "message_thread_id", thread);
}

// --- The whole -----------------------------------------------------------------------------------

static void (*const providers[CHANNEL_KINDS])(struct form *o) = {
    [CHANNEL_WEBHOOK] = form_webhook,     [CHANNEL_SLACK] = form_slack,
    [CHANNEL_DISCORD] = form_discord,     [CHANNEL_TEAMS] = form_teams,
    [CHANNEL_PAGERDUTY] = form_pagerduty, [CHANNEL_OPSGENIE] = form_opsgenie,
    [CHANNEL_NTFY] = form_ntfy,           [CHANNEL_TELEGRAM] = form_telegram,
};

static void form_request(enum channel_kind kind, struct form *o, struct channel_request *out)
{
    size_t bytes;
    o->url = stream_open(&out->url, &bytes);
    o->headers = stream_open(&out->headers, &bytes);
    providers[kind](o);
    if (!o->has_content_type)
        fputs("Content-Type: application/json\n", o->headers);
    fprintf(o->headers, "Idempotency-Key: \"carillon-delivery-%" PRId64 "\"\n", o->n->delivery);
    stream_close(o->url);
    stream_close(o->headers);
    out->body = o->json ? json_dumps(o->json, JSON_COMPACT) : o->body;
    assert(out->body);
    json_decref(o->json);
    out->method = METHOD_POST;
}

// A row may have been edited by hand.
static enum err check_settings(enum channel_kind kind, const json_t *settings, struct fault *f)
{
    struct fault why = {0};
    json_t *config, *secrets;
    if (channel_settings(kind, settings, &config, &secrets, &why))
        return fault_set(f, ERR_UNUSABLE, "%s", why.text);
    json_decref(config);
    json_decref(secrets);
    return ERR_OK;
}

enum err channel_form(enum channel_kind kind, const json_t *settings, const struct notice *n,
                      wall_ms now, struct channel_request *out, struct fault *f)
{
    assert(kind < CHANNEL_KINDS);
    enum err err = check_settings(kind, settings, f);
    if (err)
        return err;
    struct form o = {.settings = settings, .n = n, .now = now};
    *out = (struct channel_request){0};
    if (kind == CHANNEL_EMAIL) {
        out->is_mail = true;
        channel__form_mail(settings, n, &out->mail);
    } else
        form_request(kind, &o, out);
    return ERR_OK;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void channel_request_clear(struct channel_request *r)
{
    wipe(r->url);
    wipe(r->headers);
    wipe(r->body);
    wipe(r->mail.password);
    free(r->mail.host);
    free(r->mail.username);
    free(r->mail.from);
    free(r->mail.message);
    for (size_t i = 0; i < r->mail.to_count; i++)
        free(r->mail.to[i]);
    free(r->mail.to);
    *r = (struct channel_request){0};
}
