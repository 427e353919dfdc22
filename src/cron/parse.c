// SPDX-License-Identifier: MIT
// parse.c: the door of the schedule parser.
//
// Checks what holds for every text (length, printable ASCII), strips blanks at both ends and hands
// on to one of three grammars: cron fields, "@nickname" and "@every", or a one-shot date and time;
// or to foreign.c, which knows what other schedulers write.

#include "cron/parse_priv.h"

#include "base/ascii.h"
#include "cron/next_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cron__normal(struct parse *p, const char *format, ...)
{
    if (!p->normal.bytes)
        return; // Parsing a million schedules at start-up should not print any of them.
    char piece[64];
    va_list args;
    va_start(args, format);
    vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    cron__add(&p->normal, "%s", piece);
}

size_t cron__bytes(struct slice s)
{
    return s.end - s.at;
}

bool cron__is(const struct parse *p, struct slice s, const char *word)
{
    return strlen(word) == cron__bytes(s) && !memcmp(p->text + s.at, word, cron__bytes(s));
}

bool cron__has(const struct parse *p, struct slice s, char c)
{
    return s.end > s.at && memchr(p->text + s.at, c, cron__bytes(s));
}

struct slice cron__until(const struct parse *p, struct slice s, const char *stops)
{
    size_t end = s.at;
    while (end < s.end && !strchr(stops, p->text[end]))
        end++;
    return (struct slice){s.at, end};
}

// The length of the character that begins here, so that the caret covers all of a UTF-8 sequence.
static size_t character_bytes(const char *text, size_t bytes)
{
    size_t n = 1;
    while (n < bytes && ((unsigned char)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static enum err check_characters(struct parse *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)p->text[i];
        if (c == '\t' || (c >= ' ' && c <= '~'))
            continue;
        struct slice where = {i, i + character_bytes(p->text + i, bytes - i)};
        return cron__refuse(p, CRON_CHAR, CRON_NO_FIELD, where,
                            "byte 0x%02x: only printable ASCII, space and tab are allowed", c);
    }
    return ERR_OK;
}

struct slice cron__strip(const struct parse *p, struct slice s)
{
    while (s.at < s.end && strchr(" \t", p->text[s.at]))
        s.at++;
    while (s.end > s.at && strchr(" \t", p->text[s.end - 1]))
        s.end--;
    return s;
}

bool cron__begins(const struct parse *p, struct slice s, const char *word)
{
    size_t i = s.at;
    for (; *word && i < s.end; word++, i++)
        if (ascii_upper(*word) != ascii_upper(p->text[i]))
            return false;
    return !*word;
}

static enum err parse_text(struct parse *p, size_t bytes)
{
    if (bytes > CRON_TEXT_BYTES_MAX)
        return cron__refuse(p, CRON_LENGTH, CRON_NO_FIELD, (struct slice){0, bytes},
                            "an expression has at most %d bytes, found %zu", CRON_TEXT_BYTES_MAX,
                            bytes);
    enum err err = check_characters(p, bytes);
    if (err)
        return err;

    struct slice all = cron__strip(p, (struct slice){0, bytes});
    if (all.at < all.end && p->text[all.at] == '@')
        return cron__nickname(p, all);
    if (cron__looks_foreign(p, all))
        return cron__foreign(p, all);
    if (cron__looks_oneshot(p, all))
        return cron__oneshot(p, all);
    return cron__fields(p, all);
}

static struct cron_schedule schedule_with(const struct cron_options *o)
{
    assert(o->gap <= CRON_GAP_SKIP && o->fold <= CRON_FOLD_SECOND);
    return (struct cron_schedule){.gap = (uint8_t)o->gap, .fold = (uint8_t)o->fold};
}

enum err cron__parse(struct parse *p, size_t bytes)
{
    struct cron_schedule *s = p->out;
    enum err err = parse_text(p, bytes);
    if (err)
        return err;
    s->quartz_weekdays = p->any_day && p->weekday_number && !p->weekday_zero;
    if (s->fold == CRON_FOLD_DEFAULT)
        s->fold = s->interval ? CRON_FOLD_BOTH : CRON_FOLD_FIRST;
    s->last_day = cron__last_day(s);
    return ERR_OK;
}

static enum err parse_into(const char *text, size_t bytes, const struct cron_options *o,
                           struct cron_schedule *out, struct text normal, struct cron_error *e)
{
    struct cron_options defaults = {0};
    struct cron_error unread;
    o = o ? o : &defaults;

    struct cron_schedule schedule = schedule_with(o);
    struct parse p = {.text = text,
                      .hash_seed = o->hash_seed,
                      .out = &schedule,
                      .error = e ? e : &unread,
                      .normal = normal};
    enum err err = cron__parse(&p, bytes);
    if (!err && schedule.hashed && schedule.last_day < 0) {
        cron__hash_redraw(&p, bytes);
        schedule = schedule_with(o);
        p.normal = normal;
        err = cron__parse(&p, bytes);
    }
    if (!err)
        *out = schedule;
    return err;
}

bool cron__hint_text(struct parse *p, const char *lead, const char *format, ...)
{
    char text[CRON_TEXT_BYTES_MAX + 1];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->asking || length < 0 || strlen(lead) + (size_t)length >= sizeof p->error->hint)
        return false;
    struct cron_schedule schedule = {0};
    struct cron_error unread;
    struct parse asking = {.text = text,
                           .out = &schedule,
                           .error = &unread,
                           .normal = cron__text(NULL, 0),
                           .asking = true};
    if (parse_text(&asking, (size_t)length))
        return false;
    cron__hint(p, "%s%s", lead, text);
    return true;
}

enum err cron_parse(const char *text, size_t bytes, const struct cron_options *o,
                    struct cron_schedule *out, struct cron_error *e)
{
    return parse_into(text, bytes, o, out, cron__text(NULL, 0), e);
}

enum err cron_compile(const char *text, size_t bytes, const struct cron_options *o,
                      struct cron_schedule *out, char normal[static CRON_NORMAL_BYTES],
                      struct cron_error *e)
{
    return parse_into(text, bytes, o, out, cron__text(normal, CRON_NORMAL_BYTES), e);
}

enum err cron_normalise(const char *text, size_t bytes, const struct cron_options *o, char *out,
                        size_t out_bytes, struct cron_error *e)
{
    struct cron_schedule schedule;
    char normal[CRON_NORMAL_BYTES];
    enum err err = cron_compile(text, bytes, o, &schedule, normal, e);
    if (err)
        return err;
    struct text t = cron__text(out, out_bytes);
    cron__add(&t, "%s", normal);
    return ERR_OK;
}
