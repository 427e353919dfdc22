// SPDX-License-Identifier: MIT
// settings_fuzz.c: any bytes as a file of settings, and what of them is read again: addresses to
// listen at, lists of addresses and of ports.
//
// What is refused says where and why. What is accepted lies within what the table of settings
// allows, and the lists that are accepted judge every address without a mistake.

#define _GNU_SOURCE // memfd_create

#include "app/app_priv.h"
#include "base/address_policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define FILE_BYTES_MAX 8192

static void check_ranges(const struct settings *s)
{
#define TEXT(name, argument, text, help) assert(memchr(s->name, '\0', sizeof s->name));
#define NUMBER(name, argument, number, least, most, help)                                          \
    assert(s->name >= (least) && s->name <= (most));
#define DURATION(name, argument, ms, least, most, help)                                            \
    assert(s->name##_ms >= (least) && s->name##_ms <= (most));
#define FLAG(name, help)
#include "config/settings.def"
#undef TEXT
#undef NUMBER
#undef DURATION
#undef FLAG
}

static void check_policy(const struct settings *s)
{
    static struct address_policy policy;
    static const char *const hosts[] = {"127.0.0.1", "169.254.169.254", "10.1.2.3",    "192.0.2.1",
                                        "::1",       "fd00:ec2::254",   "2001:db8::1", "8.8.8.8"};
    const struct address_lists lists = {s->deny_targets, s->allow_targets, s->deny_ports,
                                        s->allow_ports, true};
    struct fault f = {0};
    if (address_policy_parse(&lists, &policy, &f)) {
        assert(f.text[0]);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        union address a;
        char reason[ADDRESS_REASON_BYTES];
        bool good = address_read(hosts[i], &a);
        assert(good);
        if (!address_policy_allows(&policy, &a.any, 443)) {
            address_policy_reason(&policy, &a.any, 443, reason);
            assert(reason[0] && memchr(reason, '\0', sizeof reason));
        }
    }
}

static void check_listening(const struct settings *s)
{
    struct listening l = {0};
    struct fault f = {0};
    if (app__listen_parse(s, &l, &f)) {
        assert(f.text[0]);
        return;
    }
    assert(!l.api.host[0] != !l.local.path[0] || s->listen_unix[0]);
    assert(!l.local.path[0] || ((l.local.mode & 0600) == 0600 && l.local.mode <= 0777));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct settings s;
    char path[64];
    if (bytes > FILE_BYTES_MAX)
        return 0;
    int fd = memfd_create("settings", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    char *argv[] = {(char[]){"serve"}, (char[]){"--config"}, path, NULL};
    struct fault f = {0};
    enum err err = config_load(3, argv, &s, &f);
    close(fd);
    assert((err == ERR_OK) == (f.text[0] == '\0'));
    if (err)
        return 0;
    check_ranges(&s);
    check_policy(&s);
    check_listening(&s);
    return 0;
}
