// SPDX-License-Identifier: MIT
// mailer.h: hands mails to their mail servers (SMTP, RFC 5321), by libcurl.
//
// A mailer lives on its owner's event loop, as dispatchers do (dispatch/dispatch.h): mailer_send
// returns at once, and its outcome is called back from a later turn of the loop, exactly once. Each
// mail has a connection of its own, which ends with it; the time for all of it is bounded.
//
// With `starttls` and `tls` nothing is sent, no login either, before TLS is there and the server
// has shown a certificate for the name that the channel has. A server without STARTTLS gets no
// mail.
//
// The addresses that jobs may not call are no mail servers either (base/address_policy.h). Ports
// are not judged: those of mail are denied to jobs, since jobs speak HTTP.
//
// The mail has arrived when the server has taken it for at least one of those whom it is for. A
// server may have taken a mail whose outcome was lost: what is sent again has the same Message-ID.

#ifndef CARILLON_ALERT_MAILER_H
#define CARILLON_ALERT_MAILER_H

#include "alert/channel_form.h"
#include "base/address_policy.h"
#include "base/loop.h"

struct mailer;

struct mail_outcome {
    uint64_t ticket;
    // For channel_judge: 250 of a mail that has arrived, else the reply that refused it; 0: there
    // was none.
    int status;
    const char *reply; // What the server refused it with, or NULL. Borrowed for the call, as is
                       // `error`.
    const char *error; // Why there is no status, for people; else NULL.
    wall_ms started_at;
    dur_ms duration_ms;
    dur_ms dns_ms; // How long each part took; -1: the mail did not get there.
    dur_ms connect_ms;
};

typedef void mailer_done(void *context, const struct mail_outcome *o);

// All is borrowed until the mailer is closed.
struct mailer_options {
    const char *ca_file; // Certificates to trust beside those of the system's folder; may be NULL.
    bool ca_only;        // The system's are not trusted.
    const struct address_policy *targets; // NULL: any address.
    dur_ms timeout_ms;                    // For a mail in all; 0: 30 s.
};

// The program must ignore SIGPIPE. ERR_UNSUPPORTED: the libcurl at hand cannot send mail by TLS.
MUST_CHECK enum err mailer_open(struct loop *l, const struct mailer_options *o, mailer_done *done,
                                void *context, struct mailer **out, struct fault *f);
// What is under way is dropped without an outcome. NULL is a no-op.
void mailer_close(struct mailer *m);

// The mail is copied.
void mailer_send(struct mailer *m, uint64_t ticket, const struct mail_message *mail);
size_t mailer_in_flight(const struct mailer *m);

#endif
