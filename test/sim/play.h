// SPDX-License-Identifier: MIT
// play.h: the simulator as a command, for people and for tools/mutants.py.

#ifndef CARILLON_SIM_PLAY_H
#define CARILLON_SIM_PLAY_H

// Runs the seeds that the arguments name and prints a line for each. Exit code: 0 when every
// promise held, 1 when one was broken, 2 for arguments that are none.
int sim_play(int argc, char **argv);

#endif
