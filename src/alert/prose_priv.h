// SPDX-License-Identifier: MIT
// prose_priv.h: text for people, in the manner of a format and no longer than it may be.
//
// Whatever is said is written character by character, each as the manner of the format wants it, so
// that nothing of a text is ever taken for markup. A text that would be too long ends with an
// ellipsis, between two characters and never inside of what stands for one. Bytes that are no UTF-8
// become U+FFFD, and control characters spaces.

#ifndef CARILLON_ALERT_PROSE_PRIV_H
#define CARILLON_ALERT_PROSE_PRIV_H

#include <stdbool.h>
#include <stddef.h>

// In what a limit is counted.
enum prose_unit {
    PROSE_BYTES,
    PROSE_JSON_BYTES, // As a string of JSON has them.
    PROSE_UTF16,      // What most providers call a character; none counts more.
    PROSE_SHOWN,      // The same before it is escaped, as Telegram counts: `&lt;` is one.
};

struct prose_escape {
    char character;
    const char *as;
};

struct prose_manner {
    enum prose_unit unit;
    bool is_line;                       // Line ends become spaces.
    bool tames_at;                      // An @ that begins a word gets a zero-width space behind.
    const struct prose_escape *escapes; // Ends with {0}. NULL: there are none.
};

extern const struct prose_manner prose_plain; // Counted in bytes, as it is.
extern const struct prose_manner prose_line;  // The same on a single line.

struct prose {
    const struct prose_manner *manner;
    char *bytes;
    size_t count;
    size_t capacity;
    size_t used; // In units.
    size_t limit;
    size_t safe; // Bytes up to which the text can be cut, so that an ellipsis fits behind.
    char before; // The last byte that was said.
    bool is_cut;
};

void prose_init(struct prose *p, const struct prose_manner *manner, size_t limit);
void prose_say(struct prose *p, const char *text); // NULL is a no-op.
void prose_sayf(struct prose *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Markup, as it is: it counts unless the unit is PROSE_SHOWN, and is written even behind a cut, so
// that what was opened is closed.
void prose_mark(struct prose *p, const char *markup);
// The text, which the caller frees.
char *prose_take(struct prose *p) __attribute__((returns_nonnull));

#endif
