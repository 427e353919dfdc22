// SPDX-License-Identifier: MIT
// enum_words.h: the words that stand for the values of an enum, in the API and in the tables.
//
// An enum whose values have words is a row of a .def file, and both are made from it:
//
//     ENUM(fruit, FRUITS,
//          VALUE(FRUIT_APPLE, "apple")
//          VALUE(FRUIT_PEAR, "pear"))
//
// A header includes the file with ENUM_DECLARE: enum fruit with its FRUITS values, fruit_words,
// and fruit_name(). One source file of the room includes it with ENUM_DEFINE.

#ifndef CARILLON_BASE_ENUM_WORDS_H
#define CARILLON_BASE_ENUM_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct enum_words {
    const char *const *of; // of[value] is the word of a value from 0 on.
    int count;
};

const char *enum_word(const struct enum_words *w, int value); // `value` is one of them.
// False, and *out is left alone, for an unknown word. Case matters.
bool enum_find(const struct enum_words *w, const char *word, int *out);
// "A, B or C", cut when `bytes` is short.
void enum_list(const struct enum_words *w, char *out, size_t bytes);

#define ENUM_DECLARE(tag, count, values)                                                           \
    enum tag { values count };                                                                     \
    extern const struct enum_words tag##_words;                                                    \
    static inline const char *tag##_name(enum tag value)                                           \
    {                                                                                              \
        return enum_word(&tag##_words, (int)value);                                                \
    }
#define ENUM_DECLARE_VALUE(constant, word) constant,

#define ENUM_DEFINE(tag, count, values)                                                            \
    static const char *const tag##_list[count] = {values};                                         \
    const struct enum_words tag##_words = {tag##_list, (count)};
#define ENUM_DEFINE_VALUE(constant, word) [constant] = (word),

#endif
