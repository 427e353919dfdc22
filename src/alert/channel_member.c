// SPDX-License-Identifier: MIT
// channel_member.c: the settings of each kind of channel, as tables, and their check.
//
// What is checked is what could break a message or send it elsewhere: that a text can stand where
// it will, and that a number is in its range. Whether a token is right is for the provider to say.

#include "alert/channel_form.h"

#include "base/header.h"
#include "base/near.h"
#include "base/stream.h"
#include "base/url.h"
#include "base/utf8.h"
#include "secrets/signing.h"

#include <assert.h>
#include <string.h>

#define ENUM ENUM_DEFINE
#define VALUE ENUM_DEFINE_VALUE
#include "alert/channel.def"

#define TOKEN_BYTES_MAX 1024
#define ADDRESS_BYTES_MAX 254 // RFC 5321: a path has 256 with its brackets.
#define LOCAL_PART_BYTES_MAX 64
#define SETTING_TAG_BYTES_MAX 50

// --- The tables ----------------------------------------------------------------------------------

#define REQUIRED .is_required = true
#define SECRET .is_secret = true

static const struct channel_member webhook_members[] = {
    {"url", SETTING_URL, REQUIRED, .help = "where the JSON of a notice is posted"},
    {"secret", SETTING_KEY, SECRET, .help = "signs each message, by Standard Webhooks"},
    {"headers", SETTING_HEADERS, SECRET, .help = "sent with each message"},
};

static const struct channel_member slack_members[] = {
    {"url", SETTING_URL, REQUIRED, SECRET, .help = "the incoming webhook"},
};

static const struct channel_member discord_members[] = {
    {"url", SETTING_URL, REQUIRED, SECRET, .help = "the webhook of the channel"},
};

static const struct channel_member teams_members[] = {
    {"url", SETTING_URL, REQUIRED, SECRET, .help = "the webhook of the workflow"},
};

static const struct channel_member pagerduty_members[] = {
    {"routing_key", SETTING_VISIBLE, REQUIRED, SECRET, .greatest = 255,
     .help = "the integration key of an Events API v2 integration"},
    {"url", SETTING_URL, .initial = "https://events.pagerduty.com/v2/enqueue",
     .help = "where events are posted"},
};

static const struct channel_member opsgenie_members[] = {
    {"api_key", SETTING_VISIBLE, REQUIRED, SECRET, .greatest = 255,
     .help = "the key of an API integration"},
    {"region", SETTING_WORD, .words = &opsgenie_region_words, .initial = "us",
     .help = "where the account is"},
    {"url", SETTING_URL, .help = "the API, instead of that of the region"},
};

static const struct channel_member ntfy_members[] = {
    {"topic", SETTING_VISIBLE, REQUIRED, .greatest = 64, .help = "what people subscribe to"},
    {"url", SETTING_URL, .initial = "https://ntfy.sh", .help = "the server"},
    {"token", SETTING_VISIBLE, SECRET, .greatest = TOKEN_BYTES_MAX, .help = "an access token"},
    {"priority", SETTING_NUMBER, .least = 1, .greatest = 5,
     .help = "of each message; without it, it follows the severity"},
    {"tags", SETTING_TAGS, .greatest = 10, .help = "added to each message"},
};

static const struct channel_member telegram_members[] = {
    {"bot_token", SETTING_VISIBLE, REQUIRED, SECRET, .greatest = TOKEN_BYTES_MAX,
     .help = "the token that BotFather gave"},
    {"chat_id", SETTING_VISIBLE, REQUIRED, .greatest = 64,
     .help = "the number of the chat, or @name of a channel"},
    {"message_thread_id", SETTING_NUMBER, .least = 1, .greatest = INT32_MAX,
     .help = "the topic of a forum"},
    {"url", SETTING_URL, .initial = "https://api.telegram.org", .help = "the server of the API"},
};

static const struct channel_member email_members[] = {
    {"host", SETTING_HOST, REQUIRED, .help = "the mail server"},
    {"port", SETTING_NUMBER, .least = 1, .greatest = 65535,
     .help = "its port; without it, 587 for starttls, 465 for tls and 25 for none"},
    {"security", SETTING_WORD, .words = &mail_security_words, .initial = "starttls",
     .help = "how the connection is secured"},
    {"username", SETTING_TEXT, .greatest = 255, .help = "for the login"},
    {"password", SETTING_TEXT, SECRET, .greatest = TOKEN_BYTES_MAX, .help = "for the login"},
    {"from", SETTING_ADDRESS, REQUIRED, .help = "who the message is from"},
    {"to", SETTING_ADDRESSES, REQUIRED, .greatest = 50, .help = "who gets the message"},
    {"subject_prefix", SETTING_TEXT, .greatest = 50, .initial = "[Carillon]",
     .help = "what subjects begin with"},
};

#define TABLE(kind)                                                                                \
    {                                                                                              \
        kind##_members, COUNT_OF(kind##_members)                                                   \
    }

static const struct {
    const struct channel_member *list;
    size_t count;
} tables[CHANNEL_KINDS] = {
    [CHANNEL_WEBHOOK] = TABLE(webhook),     [CHANNEL_SLACK] = TABLE(slack),
    [CHANNEL_DISCORD] = TABLE(discord),     [CHANNEL_TEAMS] = TABLE(teams),
    [CHANNEL_PAGERDUTY] = TABLE(pagerduty), [CHANNEL_OPSGENIE] = TABLE(opsgenie),
    [CHANNEL_NTFY] = TABLE(ntfy),           [CHANNEL_TELEGRAM] = TABLE(telegram),
    [CHANNEL_EMAIL] = TABLE(email),
};

const struct channel_member *channel_members(enum channel_kind kind, size_t *count)
{
    assert(kind < CHANNEL_KINDS);
    *count = tables[kind].count;
    return tables[kind].list;
}

// --- The forms -----------------------------------------------------------------------------------

typedef enum err check_form(const struct channel_member *m, const json_t *value, struct fault *f);

static enum err check_characters(const char *name, const char *text, bool is_visible,
                                 struct fault *f)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < ' ' || c == 0x7f)
            return fault_set(f, ERR_SYNTAX, "%s: byte %zu is a control character", name,
                             (size_t)(p - text) + 1);
        if (is_visible && (c == ' ' || c > '~'))
            return fault_set(f, ERR_SYNTAX, "%s: byte %zu is a space or not ASCII", name,
                             (size_t)(p - text) + 1);
    }
    return ERR_OK;
}

// A string of JSON has no NUL: its reader refuses that.
static enum err check_string(const char *name, const json_t *value, int64_t bytes_max,
                             bool is_visible, struct fault *f)
{
    const char *text = json_string_value(value);
    if (!text)
        return fault_set(f, ERR_SYNTAX, "%s: it must be a string", name);
    if (!*text)
        return fault_set(f, ERR_RANGE, "%s: it is empty", name);
    if (strlen(text) > (size_t)bytes_max)
        return fault_set(f, ERR_LIMIT, "%s: it has more than %lld bytes", name,
                         (long long)bytes_max);
    return check_characters(name, text, is_visible, f);
}

static enum err check_text(const struct channel_member *m, const json_t *value, struct fault *f)
{
    return check_string(m->name, value, m->greatest, false, f);
}

static enum err check_visible(const struct channel_member *m, const json_t *value, struct fault *f)
{
    return check_string(m->name, value, m->greatest, true, f);
}

// What is wrong with a secret URL is said without the words that would show a piece of it.
static enum err check_url(const struct channel_member *m, const json_t *value, struct fault *f)
{
    struct fault why = {0};
    enum err err = check_string(m->name, value, URL_BYTES_MAX, false, f);
    if (err)
        return err;
    err = url_check(json_string_value(value), &why);
    if (err && m->is_secret)
        return fault_set(f, err, "%s: it is no URL like https://host/path", m->name);
    return err ? fault_set(f, err, "%s: %s", m->name, why.text) : ERR_OK;
}

static enum err check_host(const struct channel_member *m, const json_t *value, struct fault *f)
{
    struct fault why = {0};
    struct url u;
    char url[URL_HOST_BYTES_MAX + sizeof "http://[]"];
    enum err err = check_string(m->name, value, URL_HOST_BYTES_MAX, true, f);
    if (err)
        return err;
    const char *host = json_string_value(value);
    if (strpbrk(host, "/?#@[]"))
        return fault_set(f, ERR_SYNTAX, "%s: it must be a name or an address, without a scheme",
                         m->name);
    bool is_v6 = strchr(host, ':') != strrchr(host, ':');
    snprintf(url, sizeof url, is_v6 ? "http://[%s]" : "http://%s", host);
    err = url_read(url, &u, &why);
    if (err)
        return fault_set(f, err, "%s: %s", m->name, why.text);
    return !is_v6 && strchr(host, ':')
               ? fault_set(f, ERR_SYNTAX, "%s: the port goes into \"port\"", m->name)
               : ERR_OK;
}

static enum err check_number(const struct channel_member *m, const json_t *value, struct fault *f)
{
    if (!json_is_integer(value))
        return fault_set(f, ERR_SYNTAX, "%s: it must be a whole number", m->name);
    json_int_t number = json_integer_value(value);
    return m->least <= number && number <= m->greatest
               ? ERR_OK
               : fault_set(f, ERR_RANGE, "%s: it must be from %lld to %lld", m->name,
                           (long long)m->least, (long long)m->greatest);
}

static enum err check_word(const struct channel_member *m, const json_t *value, struct fault *f)
{
    char list[128];
    int found;
    const char *word = json_string_value(value);
    if (word && enum_find(m->words, word, &found))
        return ERR_OK;
    enum_list(m->words, list, sizeof list);
    return fault_set(f, ERR_SYNTAX, "%s: it must be %s", m->name, list);
}

static enum err check_key(const struct channel_member *m, const json_t *value, struct fault *f)
{
    struct fault why = {0};
    const char *text = json_string_value(value);
    enum err err =
        text ? signing_check(text, &why) : fault_set(&why, ERR_SYNTAX, "it must be a string");
    return err ? fault_set(f, err, "%s: %s", m->name, why.text) : ERR_OK;
}

// Which characters need no quotes in an address (RFC 5322, 3.2.3); what needs them is refused.
static bool is_local_character(char c)
{
    return c > ' ' && c <= '~' && !strchr("\"(),:;<>@[\\]", c);
}

static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');
    struct url u;
    char url[URL_HOST_BYTES_MAX + sizeof "http://"];
    if (!at || at == text || at - text > LOCAL_PART_BYTES_MAX || text[0] == '.' || at[-1] == '.')
        return false;
    for (const char *p = text; p < at; p++)
        if (!is_local_character(*p) || (p[0] == '.' && p[1] == '.'))
            return false;
    if (strpbrk(at + 1, ":/?#@[]\\"))
        return false;
    snprintf(url, sizeof url, "http://%.*s", URL_HOST_BYTES_MAX, at + 1);
    return url_read(url, &u, NULL) == ERR_OK && !u.is_address;
}

static enum err check_address(const struct channel_member *m, const json_t *value, struct fault *f)
{
    enum err err = check_string(m->name, value, ADDRESS_BYTES_MAX, true, f);
    if (err || is_address(json_string_value(value)))
        return err;
    return fault_set(f, ERR_SYNTAX, "%s: it must be like user@example.org", m->name);
}

static enum err check_list(const struct channel_member *m, const json_t *value, check_form *each,
                           struct fault *f)
{
    size_t index;
    const json_t *entry;
    if (!json_is_array(value))
        return fault_set(f, ERR_SYNTAX, "%s: it must be an array of strings", m->name);
    size_t count = json_array_size(value);
    if (count < 1 || count > (size_t)m->greatest)
        return fault_set(f, ERR_LIMIT, "%s: it must have 1 to %lld entries", m->name,
                         (long long)m->greatest);
    json_array_foreach(value, index, entry) {
        struct fault why = {0};
        enum err err = each(m, entry, &why);
        if (err)
            return fault_set(f, err, "%s, entry %zu", why.text, index + 1);
    }
    return ERR_OK;
}

static enum err check_addresses(const struct channel_member *m, const json_t *value,
                                struct fault *f)
{
    return check_list(m, value, check_address, f);
}

static enum err check_tag(const struct channel_member *m, const json_t *value, struct fault *f)
{
    return check_string(m->name, value, SETTING_TAG_BYTES_MAX, false, f);
}

static enum err check_tags(const struct channel_member *m, const json_t *value, struct fault *f)
{
    return check_list(m, value, check_tag, f);
}

static enum err check_header(const char *name, const json_t *value, struct fault *f)
{
    const char *text = json_string_value(value);
    return text ? header_check(name, text, f)
                : fault_set(f, ERR_SYNTAX, "the value of a header must be a string");
}

static enum err check_headers(const struct channel_member *m, const json_t *value, struct fault *f)
{
    const char *name;
    json_t *text;
    size_t bytes = 0;
    if (!json_is_object(value))
        return fault_set(f, ERR_SYNTAX, "%s: it must be an object of strings", m->name);
    if (json_object_size(value) > HEADER_LINES_MAX)
        return fault_set(f, ERR_LIMIT, "%s: there are more than %d", m->name, HEADER_LINES_MAX);
    json_object_foreach((json_t *)(uintptr_t)value, name, text) {
        struct fault why = {0};
        enum err err = check_header(name, text, &why);
        if (err)
            return fault_set(f, err, "%s: %s", m->name, why.text);
        bytes += strlen(name) + json_string_length(text) + sizeof ": ";
    }
    return bytes > HEADER_LINES_BYTES_MAX
               ? fault_set(f, ERR_LIMIT, "%s: they have more than %d bytes together", m->name,
                           HEADER_LINES_BYTES_MAX)
               : ERR_OK;
}

static check_form *const forms[SETTING_FORMS] = {
    [SETTING_TEXT] = check_text,
    [SETTING_VISIBLE] = check_visible,
    [SETTING_URL] = check_url,
    [SETTING_HOST] = check_host,
    [SETTING_NUMBER] = check_number,
    [SETTING_WORD] = check_word,
    [SETTING_KEY] = check_key,
    [SETTING_ADDRESS] = check_address,
    [SETTING_ADDRESSES] = check_addresses,
    [SETTING_TAGS] = check_tags,
    [SETTING_HEADERS] = check_headers,
};

// --- The whole -----------------------------------------------------------------------------------

static const struct channel_member *member_find(enum channel_kind kind, const char *name)
{
    for (size_t i = 0; i < tables[kind].count; i++)
        if (strcmp(tables[kind].list[i].name, name) == 0)
            return &tables[kind].list[i];
    return NULL;
}

static enum err refuse_unknown(enum channel_kind kind, const char *name, struct fault *f)
{
    struct near n = near_to(name);
    for (size_t i = 0; i < tables[kind].count; i++)
        near_see(&n, tables[kind].list[i].name);
    return fault_set(f, ERR_NOT_FOUND, "%.40s: a channel of kind %s has no such setting%s%s%s",
                     name, channel_kind_name(kind), n.best ? "; did you mean " : "",
                     n.best ? n.best : "", n.best ? "?" : "");
}

static enum err check_given(enum channel_kind kind, const json_t *given, struct fault *f)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)given, name, value) {
        const struct channel_member *m = member_find(kind, name);
        enum err err = m ? forms[m->form](m, value, f) : refuse_unknown(kind, name, f);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err check_missing(enum channel_kind kind, const json_t *given, struct fault *f)
{
    for (size_t i = 0; i < tables[kind].count; i++) {
        const struct channel_member *m = &tables[kind].list[i];
        if (m->is_required && !json_object_get(given, m->name))
            return fault_set(f, ERR_NOT_FOUND, "%s: a channel of kind %s needs it: %s", m->name,
                             channel_kind_name(kind), m->help);
    }
    bool has_name = json_object_get(given, "username") != NULL;
    if (kind == CHANNEL_EMAIL && has_name != (json_object_get(given, "password") != NULL))
        return fault_set(f, ERR_SYNTAX, "%s: username and password go together",
                         has_name ? "password" : "username");
    return ERR_OK;
}

enum err channel_settings(enum channel_kind kind, const json_t *given, json_t **config,
                          json_t **secrets, struct fault *f)
{
    const char *name;
    json_t *value;
    assert(kind < CHANNEL_KINDS);
    if (!json_is_object(given))
        return fault_set(f, ERR_SYNTAX, "settings: they must be an object");
    enum err err = check_given(kind, given, f);
    if (!err)
        err = check_missing(kind, given, f);
    if (err)
        return err;
    *config = json_object();
    *secrets = NULL;
    json_object_foreach((json_t *)(uintptr_t)given, name, value) {
        bool is_secret = member_find(kind, name)->is_secret;
        if (is_secret && !*secrets)
            *secrets = json_object();
        json_object_set_new(is_secret ? *secrets : *config, name, json_deep_copy(value));
    }
    return ERR_OK;
}
