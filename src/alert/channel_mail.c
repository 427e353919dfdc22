// SPDX-License-Identifier: MIT
// channel_mail.c: a notice as a mail (RFC 5322, MIME).
//
// Two parts say the same, as text and as HTML, in base64: no line is ever too long, and nothing in
// a text can be a boundary or the end of the message. A subject that is not short ASCII is written
// as encoded words. Addresses have passed channel_settings, so that they can stand in a header.
//
// All messages of an incident refer to one Message-ID, which no message has, and so are a thread
// wherever mail is read. The Message-ID itself is that of the delivery: a repeated attempt can be
// told from a new message.

#include "alert/channel_priv.h"

#include "base/base64.h"
#include "base/stream.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <string.h>

#define LINE_CHARS 76 // A line of base64 (RFC 2045, 6.8).
#define SUBJECT_PLAIN_CHARS 66
#define WORD_BYTES 42 // With "=?UTF-8?B?" and "?=" an encoded word has 68 characters, of 75.
#define DATE_BYTES 40
#define DAY_MS 86400000
#define HTML_BYTES_MAX 131072

static const int ports[MAIL_SECURITIES] = {
    [MAIL_STARTTLS] = 587, [MAIL_TLS] = 465, [MAIL_CLEAR] = 25};

// --- The head ------------------------------------------------------------------------------------

// "Tue, 01 Jan 2030 00:00:00 +0000", whatever the locale.
static void format_date(wall_ms at, char out[static DATE_BYTES])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; // 1970-01-01 was a Thursday.
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day = at / DAY_MS;
    int seconds = (int)(at % DAY_MS / 1000);
    struct civil_date d = civil_from_days(day);
    snprintf(out, DATE_BYTES, "%.3s, %02u %.3s %04d %02d:%02d:%02d +0000", days + day % 7 * 3,
             d.day, months + (d.month - 1) * 3, (int)d.year, seconds / 3600, seconds / 60 % 60,
             seconds % 60);
}

static bool is_plain_subject(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            return false;
    return strlen(text) <= SUBJECT_PLAIN_CHARS && !strstr(text, "=?");
}

// How many bytes of the text are whole characters and no more than a word can have.
static size_t word_bytes(const char *text)
{
    size_t sum = 0, left = strlen(text);
    for (size_t bytes; (bytes = utf8_character(text + sum, left - sum)) > 0;) {
        if (sum + bytes > WORD_BYTES)
            break;
        sum += bytes;
    }
    return sum;
}

static void write_subject(FILE *to, const char *text)
{
    char word[BASE64_CHARS(WORD_BYTES) + 1];
    fputs("Subject:", to);
    if (is_plain_subject(text)) {
        fprintf(to, " %s\r\n", text);
        return;
    }
    for (size_t bytes; (bytes = word_bytes(text)) > 0; text += bytes) {
        base64_write(text, bytes, word);
        fprintf(to, " =?UTF-8?B?%s?=\r\n", word);
    }
}

// Prefix and title, as one line.
static char *subject_of(const json_t *settings, const struct notice *n)
{
    struct prose p;
    prose_init(&p, &prose_line, NOTICE_TITLE_BYTES_MAX + 64);
    prose_say(&p, channel__setting(CHANNEL_EMAIL, settings, "subject_prefix"));
    prose_say(&p, " ");
    prose_say(&p, channel__title(n));
    return prose_take(&p);
}

static void write_id(FILE *to, const char *header, const char *key, const char *domain)
{
    fprintf(to, "%s: <", header);
    for (const char *p = key; *p; p++)
        fputc(ascii_is_letter(*p) || ascii_is_digit(*p) || *p == '_' ? *p : '-', to);
    fprintf(to, "@%s>\r\n", domain);
}

static void write_ids(FILE *to, const struct notice *n, const char *domain)
{
    char own[64], key[NOTICE_KEY_BYTES_MAX + 1];
    snprintf(own, sizeof own, "carillon-delivery-%" PRId64, n->delivery);
    notice_key(n, key);
    write_id(to, "Message-ID", own, domain);
    if (strcmp(own, key) == 0)
        return;
    write_id(to, "In-Reply-To", key, domain);
    write_id(to, "References", key, domain);
}

static void write_head(FILE *to, const json_t *settings, const struct notice *n,
                       const struct mail_message *m)
{
    char date[DATE_BYTES];
    char *subject = subject_of(settings, n);
    format_date(n->at, date);
    fprintf(to, "From: Carillon <%s>\r\nTo: ", m->from);
    for (size_t i = 0; i < m->to_count; i++)
        fprintf(to, "%s%s", i > 0 ? ",\r\n " : "", m->to[i]);
    fputs("\r\n", to);
    write_subject(to, subject);
    fprintf(to, "Date: %s\r\n", date);
    write_ids(to, n, strchr(m->from, '@') + 1);
    fprintf(to,
            "Auto-Submitted: auto-generated\r\n"
            "X-Auto-Response-Suppress: All\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: multipart/alternative; boundary=\"carillon-%" PRId64 "\"\r\n\r\n",
            n->delivery);
    free(subject);
}

// --- The parts -----------------------------------------------------------------------------------

static char *text_of(const struct notice *n)
{
    struct prose p;
    prose_init(&p, &prose_plain, HTML_BYTES_MAX);
    prose_say(&p, channel__title(n));
    prose_say(&p, "\n\n");
    channel__say_body(&p, n);
    prose_say(&p, n->link ? "\n\n" : "");
    prose_say(&p, n->link);
    prose_say(&p, "\n");
    return prose_take(&p);
}

static const struct prose_escape html_escapes[] = {{'&', "&amp;"},  {'<', "&lt;"},    {'>', "&gt;"},
                                                   {'"', "&quot;"}, {'\n', "<br>\n"}, {0}};
static const struct prose_manner html_manner = {.unit = PROSE_BYTES, .escapes = html_escapes};

static void write_html(FILE *to, const char *before, const struct prose_manner *m, const char *text,
                       const char *behind)
{
    struct prose p;
    prose_init(&p, m, HTML_BYTES_MAX);
    prose_say(&p, text);
    char *html = prose_take(&p);
    fprintf(to, "%s%s%s", before, html, behind);
    free(html);
}

static char *html_of(const struct notice *n)
{
    char *html, *body;
    size_t bytes;
    struct prose p;
    prose_init(&p, &prose_plain, HTML_BYTES_MAX);
    channel__say_body(&p, n);
    body = prose_take(&p);
    FILE *to = stream_open(&html, &bytes);
    fputs("<!DOCTYPE html>\n<html><body style=\"font-family: sans-serif\">\n", to);
    write_html(to, "<h3>", &html_manner, channel__title(n), "</h3>\n");
    write_html(to, "<p>", &html_manner, body, "</p>\n");
    if (n->link)
        write_html(to, "<p><a href=\"", &html_manner, n->link, "\">Open in Carillon</a></p>\n");
    fputs("</body></html>\n", to);
    stream_close(to);
    free(body);
    return html;
}

// Takes the content over. A line end in it is CRLF in canonical form (RFC 2046, 4.1.1).
static void write_part(FILE *to, const struct notice *n, const char *type, char *content)
{
    char *canonical;
    size_t bytes;
    FILE *lines = stream_open(&canonical, &bytes);
    for (const char *p = content; *p; p++)
        fputs(*p == '\n' ? "\r\n" : (char[]){*p, '\0'}, lines);
    stream_close(lines);
    char *base64 = xmalloc(BASE64_CHARS(bytes) + 1);
    base64_write(canonical, bytes, base64);
    fprintf(to,
            "--carillon-%" PRId64 "\r\n"
            "Content-Type: %s; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n",
            n->delivery, type);
    for (const char *p = base64; *p; p += strnlen(p, LINE_CHARS))
        fprintf(to, "%.*s\r\n", LINE_CHARS, p);
    free(base64);
    free(canonical);
    free(content);
}

static char *message_of(const json_t *settings, const struct notice *n,
                        const struct mail_message *m)
{
    char *message;
    size_t bytes;
    FILE *to = stream_open(&message, &bytes);
    write_head(to, settings, n, m);
    write_part(to, n, "text/plain", text_of(n));
    write_part(to, n, "text/html", html_of(n));
    fprintf(to, "--carillon-%" PRId64 "--\r\n", n->delivery);
    stream_close(to);
    return message;
}

// --- The envelope --------------------------------------------------------------------------------

static void take_addresses(const json_t *list, struct mail_message *out)
{
    out->to_count = json_array_size(list);
    out->to = xcalloc(out->to_count, sizeof *out->to);
    for (size_t i = 0; i < out->to_count; i++)
        out->to[i] = xstrdup(json_string_value(json_array_get(list, i)));
}

void channel__form_mail(const json_t *settings, const struct notice *n, struct mail_message *out)
{
    int security = MAIL_STARTTLS;
    const json_t *port = json_object_get(settings, "port");
    enum_find(&mail_security_words, channel__setting(CHANNEL_EMAIL, settings, "security"),
              &security);
    *out = (struct mail_message){
        .host = xstrdup(channel__setting(CHANNEL_EMAIL, settings, "host")),
        .security = (enum mail_security)security,
        .port = (uint16_t)(port ? json_integer_value(port) : ports[security]),
        .username = xstrdup(channel__setting(CHANNEL_EMAIL, settings, "username")),
        .password = xstrdup(channel__setting(CHANNEL_EMAIL, settings, "password")),
        .from = xstrdup(channel__setting(CHANNEL_EMAIL, settings, "from")),
    };
    take_addresses(json_object_get(settings, "to"), out);
    out->message = message_of(settings, n, out);
}
