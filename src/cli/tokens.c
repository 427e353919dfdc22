// SPDX-License-Identifier: MIT
// tokens.c: `carillon tokens create`, `list` and `revoke`: who may use the API.
//
// They work on the database itself, whether a server runs on it or not: so the first token can be
// made before there is a server, and one can be revoked when nobody has a token any more. A server
// believes what it has read for half a second.

#include "base/time.h"
#include "cli/cli.h"
#include "cli/cli_priv.h"
#include "cluster/cluster.h"
#include "store/move.h"
#include "store/registry.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LASTS_MAX 3153600000000 // A hundred years.

static const struct option create_options[] = {
    {"name", required_argument, NULL, 'n'},
    {"scope", required_argument, NULL, 's'},
    {"expires", required_argument, NULL, 'e'},
    {"tag", required_argument, NULL, 't'},
    {"executions-per-second", required_argument, NULL, 'x'},
    {"max-jobs", required_argument, NULL, 'j'},
    {"max-bytes", required_argument, NULL, 'b'},
    {"db", required_argument, NULL, 'd'},
    CLI_HELP,
    {0},
};

static const struct option db_options[] = {
    {"db", required_argument, NULL, 'd'},
    CLI_HELP,
    {0},
};

static const struct cli_command create_command = {
    "tokens create",
    "Usage: carillon tokens create --name NAME --scope SCOPE [flags]\n"
    "Makes a token and prints its secret, which is kept nowhere and never shown again. Clients\n"
    "send it as \"Authorization: Bearer SECRET\". Works beside a running server.\n\n"
    "  --name NAME     whose it is, for the list and the log\n"
    "  --scope SCOPE   read; trigger: runs jobs, too; write: changes jobs, too; admin: all\n"
    "  --expires TIME  it ends by itself after so long, such as 90d; else never\n"
    "  --tag TAG       it sees and changes only jobs that carry this tag; not with admin\n"
    "  --executions-per-second N\n"
    "                  so many executions it may cause, by triggers, replays and tests\n"
    "  --max-jobs N    so many of the jobs that it has created may be there at once\n"
    "  --max-bytes N   so many bytes their URLs, headers and bodies may have in all\n"
    "  --db DB         the database: a file or a URL (CARILLON_DB, or carillon.db)\n",
    create_options,
};

static const struct cli_command list_command = {
    "tokens list",
    "Usage: carillon tokens list [--db DB]\n"
    "Lists the tokens of the database DB (CARILLON_DB, or carillon.db), without their secrets.\n",
    db_options,
};

static const struct cli_command revoke_command = {
    "tokens revoke",
    "Usage: carillon tokens revoke NAME [--db DB]\n"
    "Ends the token with this name, or with this number if it is one of the list. Every server\n"
    "on the database DB (CARILLON_DB, or carillon.db) refuses it within a second.\n",
    db_options,
};

static const struct cli_command tokens_command = {
    "tokens",
    "Usage: carillon tokens create | list | revoke\n"
    "Says who may use the API of a server, on the server's database. Each takes --help.\n",
    db_options,
};

// --- The database ----------------------------------------------------------------------------

struct registry {
    struct cluster *lock; // NULL: a server is at work on the file, or it is no file.
    struct store *store;  // NULL: a server is.
    struct store_registry *registry;
};

static void close_registry(struct registry *r)
{
    store_registry_close(r->registry);
    store_close(r->store);
    cluster_close(r->lock);
}

static enum err open_store(const char *db, struct registry *r, struct fault *f)
{
    enum err err = store_open(db, &r->store, f);
    return err ? err : store_registry_open(r->store, &r->registry, f);
}

static enum err open_file(const char *path, bool makes, struct registry *r, struct fault *f)
{
    if (!makes && access(path, F_OK) != 0)
        return fault_set(f, ERR_STORE_OPEN, "there is no such database: %s", path);
    enum err err = cluster_solo_open(path, &r->lock, f);
    if (err == ERR_BUSY)
        return store_registry_open_beside(path, &r->registry, f);
    return err ? err : open_store(path, r, f);
}

// `makes`: a database that is not there is made. What is open is closed by close_registry, also
// after a failure.
static enum err open_registry(const char *db, bool makes, struct registry *r, struct fault *f)
{
    *r = (struct registry){0};
    return store_place_is_url(db) ? open_store(db, r, f) : open_file(db, makes, r, f);
}

// Who runs the command, for the audit.
static const struct actor *user(void)
{
    static char address[32];
    static struct actor by = {.address = address};
    snprintf(address, sizeof address, "command:uid=%lu", (unsigned long)getuid());
    return &by;
}

static int fail(const struct cli_command *c, const struct fault *f)
{
    cli__complain(c->name, f->text, NULL);
    return EXIT_SERVER;
}

// --- create ----------------------------------------------------------------------------------

struct wish {
    const char *db;
    const char *name;
    const char *scope;
    const char *expires;
    const char *tag;
    const char *executions;
    const char *jobs;
    const char *bytes;
};

// A number from 1 to `most`; not given: 0.
static bool read_limit(const char *text, int64_t most, int64_t *out)
{
    char *end;
    *out = 0;
    if (!text)
        return true;
    *out = strtoll(text, &end, 10); // What is too large becomes LLONG_MAX.
    return text[0] >= '0' && text[0] <= '9' && !*end && *out >= 1 && *out <= most;
}

static int check_limits(const struct wish *w, struct access_token *t)
{
    int64_t executions;
    if (!read_limit(w->executions, TOKEN_EXECUTIONS_MAX, &executions))
        return cli__complain("tokens create",
                             "--executions-per-second is a number from 1 to 100000", w->executions);
    if (!read_limit(w->jobs, TOKEN_JOBS_MAX, &t->max_jobs))
        return cli__complain("tokens create", "--max-jobs is a number from 1 to 1000000000",
                             w->jobs);
    if (!read_limit(w->bytes, TOKEN_JOBS_BYTES_MAX, &t->max_bytes))
        return cli__complain("tokens create", "--max-bytes is a number from 1 to 1099511627776",
                             w->bytes);
    t->executions_per_second = (uint32_t)executions;
    return 0;
}

static int check(const struct wish *w, struct access_token *t)
{
    int scope;
    dur_ms lasts = 0;
    if (!w->name || !w->scope)
        return cli__complain_usage(&create_command, "--name and --scope are needed");
    if (!token_text_is_fine(w->name, TOKEN_NAME_BYTES_MAX))
        return cli__complain("tokens create",
                             "--name has 1 to 100 bytes of UTF-8, without control characters",
                             NULL);
    if (!enum_find(&token_scope_words, w->scope, &scope) || scope == SCOPE_NONE)
        return cli__complain("tokens create", "--scope is one of read, trigger, write, admin",
                             w->scope);
    if (w->expires && (!duration_parse(w->expires, &lasts) || lasts < 1 || lasts > LASTS_MAX))
        return cli__complain("tokens create", "--expires is a time such as 12h or 90d", w->expires);
    if (w->tag && !token_text_is_fine(w->tag, TOKEN_TAG_BYTES_MAX))
        return cli__complain("tokens create",
                             "--tag has 1 to 64 bytes of UTF-8, without control characters", NULL);
    if (w->tag && scope == SCOPE_ADMIN)
        return cli__complain("tokens create", "an admin is bound to no tag", NULL);
    wall_ms now = clock_wall_ms();
    *t = (struct access_token){.name = w->name,
                               .scope = (enum token_scope)scope,
                               .tag = w->tag,
                               .created_at = now,
                               .expires_at = w->expires ? now + lasts : WALL_NEVER};
    return check_limits(w, t);
}

static enum err create(const struct wish *w, struct access_token *t,
                       char secret[static TOKEN_TEXT_BYTES], struct fault *f)
{
    struct registry r = {0};
    enum err err = token_draw(secret, f);
    if (!err)
        err = token_digest(secret, t->digest, f);
    if (!err)
        err = open_registry(w->db, true, &r, f);
    if (!err)
        err = store_token_insert(r.registry, user(), t, &t->id, f);
    close_registry(&r);
    return err;
}

// The secret alone on standard output, so that a script can take it.
static int cli_create(int argc, char **argv)
{
    struct wish w = {.db = cli__default_db()};
    struct access_token t;
    char secret[TOKEN_TEXT_BYTES];
    struct fault f = {0};
    int option, code = 0;
    cli__flags_begin();
    while ((option = cli__flag(&create_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        *(option == 'n'   ? &w.name
          : option == 's' ? &w.scope
          : option == 'e' ? &w.expires
          : option == 't' ? &w.tag
          : option == 'x' ? &w.executions
          : option == 'j' ? &w.jobs
          : option == 'b' ? &w.bytes
                          : &w.db) = optarg;
    }
    if (optind != argc)
        return cli__complain_usage(&create_command, "nothing but flags is expected");
    code = check(&w, &t);
    if (code)
        return code;
    if (create(&w, &t, secret, &f))
        return fail(&create_command, &f);
    fprintf(stderr, "token %" PRId64 " \"%s\" with scope %s; its secret is shown this once:\n",
            t.id, t.name, token_scope_name(t.scope));
    printf("%s\n", secret);
    return 0;
}

// --- list ------------------------------------------------------------------------------------

static const char *date_of(wall_ms at, wall_ms never, char out[static RFC3339_BYTES])
{
    if (at == never)
        return "-";
    wall_format(at, out);
    out[10] = ' '; // "2026-11-24 05:27:00"
    out[19] = '\0';
    return out;
}

static const char *state_of(const struct access_token *t, wall_ms now)
{
    if (t->revoked_at)
        return "revoked";
    return token_is_live(t, now) ? "live" : "expired";
}

#define LIMIT_BYTES 24

static const char *limit_of(int64_t limit, char out[static LIMIT_BYTES])
{
    if (!limit)
        return "-";
    snprintf(out, LIMIT_BYTES, "%" PRId64, limit);
    return out;
}

static enum err print(void *context, const struct access_token *t)
{
    char expires[RFC3339_BYTES], used[RFC3339_BYTES];
    char executions[LIMIT_BYTES], jobs[LIMIT_BYTES], bytes[LIMIT_BYTES];
    printf("%4" PRId64 "  %-8s %-8s %-20s %-20s %-16s %-16s %-8s %-8s %-12s %s\n", t->id,
           state_of(t, clock_wall_ms()), token_scope_name(t->scope),
           date_of(t->expires_at, WALL_NEVER, expires), date_of(t->last_used_at, 0, used),
           t->last_address ? t->last_address : "-", t->tag ? t->tag : "-",
           limit_of(t->executions_per_second, executions), limit_of(t->max_jobs, jobs),
           limit_of(t->max_bytes, bytes), t->name);
    ++*(size_t *)context;
    return ERR_OK;
}

static int cli_list(int argc, char **argv)
{
    const char *db = cli__default_db();
    struct registry r;
    struct fault f = {0};
    size_t count = 0;
    int option, code;
    cli__flags_begin();
    while ((option = cli__flag(&list_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        db = optarg;
    }
    if (optind != argc)
        return cli__complain_usage(&list_command, "nothing but flags is expected");
    enum err err = open_registry(db, false, &r, &f);
    if (!err)
        printf("  id  state    scope    expires (UTC)        last used (UTC)      from             "
               "tag              per sec. jobs     bytes        name\n");
    if (!err)
        err = store_token_list(r.registry, print, &count, &f);
    close_registry(&r);
    return err ? fail(&list_command, &f) : 0;
}

// --- revoke ----------------------------------------------------------------------------------

struct search {
    const char *name;
    int64_t by_name; // The id of the live token with the name; 0: none.
    int64_t by_id;
};

static enum err look(void *context, const struct access_token *t)
{
    struct search *s = context;
    char id[24];
    snprintf(id, sizeof id, "%" PRId64, t->id);
    if (t->revoked_at)
        return ERR_OK;
    if (strcmp(t->name, s->name) == 0)
        s->by_name = t->id;
    if (strcmp(id, s->name) == 0)
        s->by_id = t->id;
    return ERR_OK;
}

static enum err revoke_token(const char *db, const char *name, struct fault *f)
{
    struct registry r;
    struct search s = {.name = name};
    enum err err = open_registry(db, false, &r, f);
    if (!err)
        err = store_token_list(r.registry, look, &s, f);
    if (!err && !s.by_name && !s.by_id)
        err = fault_set(f, ERR_NOT_FOUND, "there is no token \"%.100s\" that is not revoked", name);
    if (!err)
        err = store_token_revoke(r.registry, user(), s.by_name ? s.by_name : s.by_id,
                                 clock_wall_ms(), f);
    close_registry(&r);
    return err;
}

static int cli_revoke(int argc, char **argv)
{
    const char *db = cli__default_db();
    struct fault f = {0};
    int option, code;
    cli__flags_begin();
    while ((option = cli__flag(&revoke_command, argc, argv, &code)) != CLI_END) {
        if (option == CLI_OVER)
            return code;
        db = optarg;
    }
    if (optind + 1 != argc)
        return cli__complain_usage(&revoke_command, "the name of one token is expected");
    const char *name = argv[optind];
    if (revoke_token(db, name, &f))
        return fail(&revoke_command, &f);
    printf("revoked \"%s\": every server refuses it within a second\n", name);
    return 0;
}

// --- Which ------------------------------------------------------------------------------------

int cli_tokens(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"create", cli_create}, {"list", cli_list}, {"revoke", cli_revoke}};
    int code;
    if (argc > 1 && argv[1][0] != '-') {
        struct near n = near_to(argv[1]);
        for (size_t i = 0; i < COUNT_OF(commands); i++) {
            if (strcmp(argv[1], commands[i].name) == 0)
                return commands[i].run(argc - 1, argv + 1);
            near_see(&n, commands[i].name);
        }
        return cli_complain_command("carillon tokens", argv[1], n);
    }
    cli__flags_begin();
    if (cli__flag(&tokens_command, argc, argv, &code) == CLI_OVER)
        return code;
    return cli__complain_usage(&tokens_command, "create, list or revoke is expected");
}
