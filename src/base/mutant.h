// SPDX-License-Identifier: MIT
// mutant.h: bugs on purpose, which the tests must find.
//
// mutants.def is a table of what has gone wrong in schedulers. Where ours could go wrong in the
// same way, the code asks MUTANT(NAME). That is a constant 0, so the compiler leaves nothing of it;
// only in a build with -DCARILLON_MUTANT=MUTANT_NAME is it 1, for that one name. `./dev mutants`
// makes such a build of each and has its test look for the bug: a test that finds nothing there
// would not find it in our own work either.

#ifndef CARILLON_BASE_MUTANT_H
#define CARILLON_BASE_MUTANT_H

enum mutant {
    MUTANT_NONE,
#define MUTANT_ROW(name, test, incident) MUTANT_##name,
#include "base/mutants.def"
#undef MUTANT_ROW
};

#ifndef CARILLON_MUTANT
#define CARILLON_MUTANT MUTANT_NONE
#endif

#define MUTANT(name) (MUTANT_##name == CARILLON_MUTANT)

#endif
