// SPDX-License-Identifier: MIT
// ring.c: the file of keys, and a new key for it.

#include "secrets/secrets_priv.h"

#include "base/base64.h"
#include "base/memory.h"
#include "base/time.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX 16384
#define CREDENTIAL "carillon-secrets-key"

// --- Lines ---------------------------------------------------------------------------------------

size_t secrets__id_chars(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
}

const struct secret_key *secrets__find(const struct secret_ring *r, const char *id, size_t chars)
{
    for (size_t i = 0; r && i < r->count; i++)
        if (strlen(r->keys[i].id) == chars && memcmp(r->keys[i].id, id, chars) == 0)
            return &r->keys[i];
    return NULL;
}

// `line` has neither blanks around it nor an end of line.
static enum err add_key(struct secret_ring *r, const char *line, const char *where, struct fault *f)
{
    size_t id_chars = secrets__id_chars(line);
    size_t count = 0;
    if (id_chars == 0 || id_chars > SECRET_KEY_ID_CHARS_MAX || line[id_chars] != ':')
        return fault_set(f, ERR_SYNTAX,
                         "%s: a key is ID:BASE64, with 1 to %d letters, digits or _.- in its id",
                         where, SECRET_KEY_ID_CHARS_MAX);
    if (secrets__find(r, line, id_chars))
        return fault_set(f, ERR_SYNTAX, "%s: a key of this id stands above already", where);
    if (r->count == SECRET_KEYS_MAX)
        return fault_set(f, ERR_SYNTAX, "%s: there are more than %d keys", where, SECRET_KEYS_MAX);
    struct secret_key *k = &r->keys[r->count];
    unsigned char bytes[BASE64_BYTES(BASE64_CHARS(SECRET_KEY_BYTES))];
    const char *text = line + id_chars + 1;
    bool good = strlen(text) == BASE64_CHARS(SECRET_KEY_BYTES) &&
                base64_read(text, strlen(text), bytes, &count) && count == SECRET_KEY_BYTES;
    if (good) {
        memcpy(k->id, line, id_chars);
        memcpy(k->bytes, bytes, SECRET_KEY_BYTES);
        r->count++;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return good ? ERR_OK
                : fault_set(f, ERR_SYNTAX, "%s: behind the id stand no 32 bytes in base64", where);
}

static enum err read_lines(struct secret_ring *r, char *text, const char *path, struct fault *f)
{
    enum err err = ERR_OK;
    unsigned number = 0;
    for (char *line = text, *next; line && !err; line = next) {
        char where[PATH_MAX + 32];
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line += strspn(line, " \t");
        line[strcspn(line, " \t\r")] = '\0';
        snprintf(where, sizeof where, "%s, line %u", path, ++number);
        if (*line && *line != '#')
            err = add_key(r, line, where, f);
    }
    if (!err && r->count == 0)
        err =
            fault_set(f, ERR_SYNTAX, "%s: there is no key in it (carillon secrets new-key)", path);
    return err;
}

// --- The file ------------------------------------------------------------------------------------

// Reads at most `room` bytes; returns how many there are, or -1.
static ssize_t read_whole(int fd, char *out, size_t room)
{
    size_t count = 0;
    ssize_t n = 0;
    while (count < room && (n = read(fd, out + count, room - count)) != 0) {
        if (n < 0 && errno != EINTR)
            return -1;
        count += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)count;
}

static enum err read_file(struct secret_ring *r, const char *path, int fd, struct fault *f)
{
    char text[FILE_BYTES_MAX + 2];
    struct stat st;
    ssize_t bytes = read_whole(fd, text, FILE_BYTES_MAX + 1);
    enum err err = ERR_OK;
    if (bytes < 0 || fstat(fd, &st) != 0)
        err = fault_set(f, ERR_SYSTEM, "cannot read the keys in %s: %s", path, strerror(errno));
    else if (bytes > FILE_BYTES_MAX)
        err = fault_set(f, ERR_SYNTAX, "%s has more than %d bytes", path, FILE_BYTES_MAX);
    if (!err) {
        text[bytes] = '\0';
        r->is_exposed = (st.st_mode & S_IROTH) != 0;
        err = read_lines(r, text, path, f);
    }
    OPENSSL_cleanse(text, sizeof text);
    return err;
}

// Where systemd has put the credential; false: there is none.
static bool find_credential(char out[static PATH_MAX])
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    int n = folder ? snprintf(out, PATH_MAX, "%s/" CREDENTIAL, folder) : 0;
    return n > 0 && n < PATH_MAX && access(out, F_OK) == 0;
}

enum err secret_ring_open(const char *path, struct secret_ring **out, struct fault *f)
{
    char credential[PATH_MAX];
    if (!*path && !find_credential(credential)) {
        *out = NULL;
        return ERR_OK;
    }
    path = *path ? path : credential;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set(f, ERR_SYSTEM, "cannot open the keys in %s: %s", path, strerror(errno));
    struct secret_ring *r = xcalloc(1, sizeof *r);
    enum err err = read_file(r, path, fd, f);
    close(fd);
    if (err)
        secret_ring_close(r);
    else
        *out = r;
    return err;
}

void secret_ring_close(struct secret_ring *r)
{
    if (!r)
        return;
    OPENSSL_cleanse(r, sizeof *r);
    free(r);
}

bool secret_ring_is_exposed(const struct secret_ring *r)
{
    return r && r->is_exposed;
}

// --- A new key -----------------------------------------------------------------------------------

void secret_new_key(char out[static SECRET_KEY_LINE_BYTES])
{
    unsigned char bytes[SECRET_KEY_BYTES], id[4];
    char text[BASE64_CHARS(SECRET_KEY_BYTES) + 1], now[RFC3339_BYTES];
    int good = RAND_bytes(bytes, sizeof bytes) == 1 && RAND_bytes(id, sizeof id) == 1;
    assert(good); // The kernel's randomness cannot fail once the system is up.
    (void)good;
    wall_format(clock_wall_ms(), now);
    base64_write(bytes, sizeof bytes, text);
    snprintf(out, SECRET_KEY_LINE_BYTES, "%.4s%.2s%.2s-%02x%02x%02x%02x:%s", now, now + 5, now + 8,
             id[0], id[1], id[2], id[3], text);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
}
