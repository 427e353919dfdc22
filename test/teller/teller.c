// SPDX-License-Identifier: MIT
// teller.c: what a channel sends for a notice, for tests that stand in for its provider.
//
// Standard input is a JSON object: `kind`, `settings`, `notice` (as notice_pack writes it), `now`.
// The program prints the request as JSON: `url`, `headers`, `body`. A mail is sent instead, as
// often as `copies` says, with the certificates of `ca_file` alone, and to no address that `deny`
// has; its outcomes are printed, each as a line of JSON. After `turns` turns of the loop
// the program ends, with whatever is under way.

#include "alert/mailer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *const verdicts[] = {"arrived", "again", "refused"};

static void die(const char *what, const struct fault *f)
{
    fprintf(stderr, "teller: %s: %s\n", what, f->text);
    exit(1);
}

static void print(json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT);
    puts(line);
    free(line);
    json_decref(object);
}

static void print_outcome(void *context, const struct mail_outcome *o)
{
    (void)context;
    dur_ms wait = 0;
    char error[CHANNEL_ERROR_BYTES];
    enum channel_verdict v = channel_judge(CHANNEL_EMAIL, o->status, o->reply, &wait, error);
    print(json_pack("{s:I,s:i,s:s?,s:s?,s:s,s:s}", "ticket", (json_int_t)o->ticket, "status",
                    o->status, "reply", o->reply, "error", o->error, "verdict", verdicts[v],
                    "judged", error));
}

static void send_mails(const struct mail_message *mail, const json_t *from)
{
    struct fault f = {0};
    struct loop *l;
    struct mailer *m;
    static struct address_policy policy;
    struct address_lists lists = {.deny = json_string_value(json_object_get(from, "deny")),
                                  .deny_ports = "25"};
    struct mailer_options o = {.ca_file = json_string_value(json_object_get(from, "ca_file")),
                               .ca_only = true,
                               .targets = &policy,
                               .timeout_ms =
                                   json_integer_value(json_object_get(from, "timeout_ms"))};
    if (address_policy_parse(&lists, &policy, &f) || loop_open(&l, &f) ||
        mailer_open(l, &o, print_outcome, NULL, &m, &f))
        die("cannot start", &f);
    json_int_t copies = json_integer_value(json_object_get(from, "copies"));
    for (json_int_t i = 0; i < MAX(copies, 1); i++)
        mailer_send(m, (uint64_t)i, mail);
    json_t *turns = json_object_get(from, "turns");
    json_int_t left = turns ? json_integer_value(turns) : -1;
    for (; mailer_in_flight(m) > 0 && left != 0; left--)
        loop_turn(l, -1);
    mailer_close(m);
    loop_close(l);
}

static void tell(const json_t *from)
{
    struct fault f = {0};
    struct notice n;
    struct channel_request r;
    int kind;
    char *notice = json_dumps(json_object_get(from, "notice"), 0);
    if (!enum_find(&channel_kind_words, json_string_value(json_object_get(from, "kind")), &kind))
        die("kind", &f);
    if (notice_unpack(notice, &n, &f))
        die("notice", &f);
    if (channel_form((enum channel_kind)kind, json_object_get(from, "settings"), &n,
                     json_integer_value(json_object_get(from, "now")), &r, &f))
        die("settings", &f);
    if (r.is_mail)
        send_mails(&r.mail, from);
    else
        print(json_pack("{s:s,s:s,s:s}", "url", r.url, "headers", r.headers, "body", r.body));
    channel_request_clear(&r);
    notice_clear(&n);
    free(notice);
}

int main(void)
{
    json_error_t e;
    signal(SIGPIPE, SIG_IGN);
    json_t *from = json_loadf(stdin, 0, &e);
    if (!from) {
        fprintf(stderr, "teller: %s\n", e.text);
        return 1;
    }
    tell(from);
    json_decref(from);
    return 0;
}
