// SPDX-License-Identifier: MIT
// url.c: what curl and wget ask for when they are given a URL.
//
// Both take a URL without a scheme for one of HTTP, send a name and password in it as a header,
// drop a fragment and take "." and ".." out of the path. wget also encodes what may not stand in a
// URL. curl does not: it refuses blanks and sends other bytes as they are, where a job sends their
// codes.

#include "crontab/crontab_priv.h"

#include <strings.h>

// A URL cut up; pieces point into the text.
struct pieces {
    const char *scheme; // NULL: none.
    size_t scheme_bytes;
    const char *user; // Name and password; NULL: none.
    size_t user_bytes;
    const char *host; // With the port.
    size_t host_bytes;
    const char *path;
    size_t path_bytes;
    const char *query; // With its "?"; "" when there is none.
    size_t query_bytes;
    bool has_fragment;
};

static void cut_scheme(const char **url, struct pieces *p)
{
    size_t letters = strspn(*url, NAME_CHARACTERS "+-.");
    if (letters == 0 || strncmp(*url + letters, "://", 3) != 0)
        return;
    p->scheme = *url;
    p->scheme_bytes = letters;
    *url += letters + 3;
}

static void cut_user(const char **url, struct pieces *p)
{
    size_t authority = strcspn(*url, "/?#");
    for (size_t i = authority; i > 0; i--) {
        if ((*url)[i - 1] == '@') {
            p->user = *url;
            p->user_bytes = i - 1;
            *url += i;
            return;
        }
    }
}

static struct pieces cut_up(const char *url)
{
    struct pieces p = {0};
    cut_scheme(&url, &p);
    cut_user(&url, &p);
    p.host = url;
    p.host_bytes = strcspn(url, "/?#");
    p.path = p.host + p.host_bytes;
    p.path_bytes = strcspn(p.path, "?#");
    p.query = p.path + p.path_bytes;
    p.query_bytes = strcspn(p.query, "#");
    p.has_fragment = p.query[p.query_bytes] == '#';
    return p;
}

// --- Schemes -------------------------------------------------------------------------------------

static bool begins(const char *text, const char *start)
{
    return strncasecmp(text, start, strlen(start)) == 0;
}

// curl goes by the first part of the host's name; to wget "host:path" is a file of FTP.
static enum err check_guess(const struct call *c, const struct pieces *p)
{
    static const char *const others[] = {"ftp.", "dict.", "ldap.", "imap.", "smtp.", "pop3."};
    bool curl = c->program == &crontab__curl;
    for (size_t i = 0; curl && i < COUNT_OF(others); i++) {
        if (begins(p->host, others[i]))
            return crontab__call_refuse(c, "without http:// curl does not take it for HTTP");
    }
    const char *colon = memchr(p->host, ':', p->host_bytes);
    if (c->program == &crontab__wget && colon && !crontab__is_one_of(colon[1], "0123456789"))
        return crontab__call_refuse(c, "without http:// wget does not take it for HTTP");
    return ERR_OK;
}

// --- Name and password ---------------------------------------------------------------------------

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)((found - digits) % 16) : -1;
}

// "%40" as "@".
static void add_decoded(struct text *t, const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        int high = from[i] == '%' && i + 2 < bytes ? digit_of(from[i + 1]) : -1;
        int low = high >= 0 ? digit_of(from[i + 2]) : -1;
        char c = low >= 0 ? (char)(high * 16 + low) : from[i];
        i += low >= 0 ? 2 : 0;
        crontab__add_bytes(t, &c, 1);
    }
}

// What an option says counts before what the URL says.
static enum err take_user(struct call *c, const struct pieces *p)
{
    if (!p->user || c->user)
        return ERR_OK;
    const char *colon = memchr(p->user, ':', p->user_bytes);
    if (!colon && c->program == &crontab__wget)
        return crontab__call_refuse(c, "wget would look for the password of the user in the URL");
    add_decoded(&c->credentials, p->user, p->user_bytes);
    if (!colon)
        crontab__add(&c->credentials, ":");
    if (strlen(c->credentials.bytes) < c->credentials.count)
        return crontab__call_refuse(c, "there is a NUL in the user of the URL");
    c->user = c->credentials.bytes;
    crontab__call_note(c, "the password in the URL becomes an Authorization header");
    return ERR_OK;
}

// --- The path ------------------------------------------------------------------------------------

// Where the last part of the path that was written begins.
static size_t last_part(const struct text *t, size_t start)
{
    size_t at = t->count;
    while (at > start && t->bytes[at - 1] != '/')
        at--;
    return at;
}

// Takes "." and ".." out of what was written from `start` on, as RFC 3986 has it: each part of the
// path is copied after the others, or takes the part before it away.
static void remove_dots(struct text *t, size_t start)
{
    struct text path = {0};
    crontab__add_bytes(&path, t->bytes + start, t->count - start);
    t->count = start;
    for (const char *part = path.bytes; *part == '/';) {
        size_t bytes = strcspn(part + 1, "/");
        bool last = !part[1 + bytes];
        bool one = bytes == 1 && part[1] == '.';
        bool two = bytes == 2 && part[1] == '.' && part[2] == '.';
        if (two && t->count > start)
            t->count = last_part(t, start) - 1;
        if (!one && !two)
            crontab__add_bytes(t, part, bytes + 1);
        else if (last)
            crontab__add_bytes(t, "/", 1);
        part += bytes + 1;
    }
    t->bytes[t->count] = '\0';
    crontab__text_fini(&path);
}

// --- Bytes that do not stand in a URL ------------------------------------------------------------

static bool needs_code(const struct call *c, const char *at)
{
    unsigned char byte = (unsigned char)*at;
    if (byte > 126)
        return true;
    if (c->program == &crontab__curl)
        return *at == '\\';
    bool broken = *at == '%' && (digit_of(at[1]) < 0 || digit_of(at[2]) < 0);
    return byte <= ' ' || broken || strchr("\"<>\\^`{|}", *at);
}

// The byte that wget writes in place of a code, since the byte needs none; 0 when the code stays.
static char plain_byte(const struct call *c, const char *at)
{
    if (c->program != &crontab__wget || *at != '%' || digit_of(at[1]) < 0 || digit_of(at[2]) < 0)
        return '\0';
    char byte = (char)(digit_of(at[1]) * 16 + digit_of(at[2]));
    return crontab__is_one_of(byte, NAME_CHARACTERS "!'()*-.~") ? byte : '\0';
}

static void add_part(struct call *c, struct text *t, const char *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char plain = plain_byte(c, from + i);
        if (plain || !needs_code(c, from + i)) {
            crontab__add_bytes(t, plain ? &plain : from + i, 1);
            i += plain ? 2 : 0;
            continue;
        }
        crontab__add_percent(t, from[i]);
        crontab__call_note(c, "what may not stand in a URL is sent percent-encoded");
    }
}

static enum err check_blanks(const struct call *c)
{
    if (c->program != &crontab__curl || !strpbrk(c->url, " \t"))
        return ERR_OK;
    crontab__hint(c->command->line, "%%20 for a blank");
    return crontab__call_refuse(c, "curl takes no URL with a blank in it");
}

// --- The whole -----------------------------------------------------------------------------------

static void add_query(struct call *c, struct text *t, const struct pieces *p)
{
    add_part(c, t, p->query, p->query_bytes);
    if (!c->body_in_query || !c->has_body || c->body.count == 0)
        return;
    crontab__add(t, p->query_bytes > 0 ? "&" : "?");
    add_part(c, t, c->body.bytes, c->body.count);
}

enum err crontab__url(struct call *c, struct text *out)
{
    struct pieces p = cut_up(c->url);
    enum err err = check_blanks(c);
    if (!err && !p.scheme)
        err = check_guess(c, &p);
    if (!err)
        err = take_user(c, &p);
    if (err)
        return err;
    crontab__add_bytes(out, p.scheme ? p.scheme : "http", p.scheme ? p.scheme_bytes : 4);
    crontab__add(out, "://");
    crontab__add_bytes(out, p.host, p.host_bytes);
    size_t path = out->count;
    add_part(c, out, p.path, p.path_bytes);
    if (p.path_bytes > 0 && !c->keeps_dots)
        remove_dots(out, path);
    add_query(c, out, &p);
    if (p.has_fragment)
        crontab__call_note(c, "the fragment (#...) is never sent");
    return ERR_OK;
}
