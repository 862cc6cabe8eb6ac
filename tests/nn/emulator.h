// CUDA's warps on a CPU: 32 lanes as coroutines that meet where they exchange values. It runs the GPU kernels as they are, slowly, for the tests.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "xla/ffi/api/ffi.h"

#define __global__
#define __device__
#define __forceinline__ inline

namespace equijax::cuda {

constexpr int kWarp = 32;
constexpr size_t kStack = 1 << 17;

using Stream = xla::ffi::ThreadPool;
using Context = Stream;

struct Lanes {
  enum State { kReady, kWaiting, kDone };
  jmp_buf back, at[kWarp];
  State state[kWarp];
  ucontext_t start[kWarp], main;
  std::vector<char> stacks = std::vector<char>(kWarp * kStack);
  float sent[2][kWarp];
  int turn[kWarp];
  int lane;
  int64_t warp;
  std::function<void()> body;

  static Lanes& mine() {
    static thread_local Lanes lanes;
    return lanes;
  }

  static void enter() {
    Lanes& l = mine();
    l.body();
    l.state[l.lane] = kDone;
    _longjmp(l.back, 1);
  }

  // Runs one lane until it waits or ends.
  void resume(int number) {
    lane = number;
    if (_setjmp(back) != 0) return;
    if (state[number] == kWaiting) _longjmp(at[number], 1);
    getcontext(&start[number]);
    start[number].uc_stack.ss_sp = stacks.data() + number * kStack;
    start[number].uc_stack.ss_size = kStack;
    start[number].uc_link = &main;
    makecontext(&start[number], enter, 0);
    setcontext(&start[number]);
  }

  void run(int64_t number) {
    warp = number;
    for (int k = 0; k < kWarp; ++k) state[k] = kReady, turn[k] = 0;
    for (int done = 0; done < kWarp;) {
      done = 0;
      for (int k = 0; k < kWarp; ++k) {
        resume(k);
        done += state[k] == kDone;
      }
      if (done != 0 && done != kWarp) {
        std::fprintf(stderr, "some lanes of a warp wait for an exchange that others never reach\n");
        std::abort();
      }
    }
  }

  float exchange(float value, int distance) {
    const int me = lane, slot = turn[me]++ % 2;
    sent[slot][me] = value;
    state[me] = kWaiting;
    if (_setjmp(at[me]) == 0) _longjmp(back, 1);
    return sent[slot][me ^ distance];
  }
};

inline int lane() { return Lanes::mine().lane; }
inline int64_t warp() { return Lanes::mine().warp; }
inline float exchange(float value, int distance) { return Lanes::mine().exchange(value, distance); }

// A few warps more than asked for, as a grid of whole blocks has them.
template <class... Parameters, class... Arguments>
const char* launch(Stream, void (*kernel)(Parameters...), int64_t warps, Arguments... arguments) {
  Lanes& lanes = Lanes::mine();
  lanes.body = [=] { kernel(arguments...); };
  for (int64_t n = 0; n < (warps + 3) / 4 * 4; ++n) lanes.run(n);
  return nullptr;
}

inline const char* clear(Stream, float* data, int64_t floats) {
  std::memset(data, 0, 4 * floats);
  return nullptr;
}

}  // namespace equijax::cuda
