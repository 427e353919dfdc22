// SPDX-License-Identifier: MIT
// shell_priv.h: what the parts of a shell share: the line under way, and the commands beside a
// call.

#ifndef CARILLON_CRONTAB_SHELL_PRIV_H
#define CARILLON_CRONTAB_SHELL_PRIV_H

#include "crontab/crontab_priv.h"

struct shell {
    struct crontab_line *line;
    struct environment *environment;
    struct arena arena; // Texts of words, until the line is over.
    struct call call;   // What wrappers and the call have said so far.
    struct job *job;    // What the call became; NULL: the call is still to come.
    uint64_t delay_ms;  // Slept before the call.
    unsigned depth;     // How many lists are around this one.
    bool exports;       // The command just read set variables for those after it.
};

typedef enum err bystander_apply(struct shell *sh, const struct command_text *c,
                                 const struct words *w, size_t first);

// A command that makes no difference to a call, or one that is understood.
struct bystander {
    const char *name;
    bystander_apply *before;       // NULL: it may not stand before the call.
    bool after;                    // The command may stand after the call.
    bystander_apply *takes_output; // NULL: the call's output may not go to it.
};

// NULL when the word names none.
const struct bystander *crontab__bystander(const char *word);

// Takes the assignments with which the words begin: NAME=value, for the command that follows or,
// when none does, for all that come. *first is the first word which is none.
enum err crontab__take_assignments(struct shell *sh, const struct command_text *c,
                                   const struct words *w, size_t *first);

// Whether a job can do without what goes to the file or comes from it.
enum err crontab__judge_redirection(struct shell *sh, const struct command_text *c,
                                    const struct redirection *r);

// skip.c: passes over a command, with its brackets and what its output goes to.
enum err crontab__skip_command(struct scanner *s);
// Whether a brace on its own stands here.
bool crontab__is_brace(const struct scanner *s, char brace);

#endif
