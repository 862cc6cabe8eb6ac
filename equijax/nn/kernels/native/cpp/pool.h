// Runs tasks on the calling thread and on whatever threads of XLA's pool are free.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>

#include "problem.h"
#include "xla/ffi/api/ffi.h"

namespace equijax {

class PoolRunner {
 public:
  explicit PoolRunner(xla::ffi::ThreadPool& pool) : pool_(pool) {}
  Runner runner() { return {run, this}; }

 private:
  // Outlives the call: a helper that starts late must still find it, and that nothing is left to do.
  struct State {
    std::atomic<int64_t> next{0};
    int64_t count, done = 0;
    void (*task)(void*, int64_t);
    void* context;
    std::mutex mutex;
    std::condition_variable finished;
    std::exception_ptr failed;  // what a task threw, on whatever thread

    void work() {
      int64_t mine = 0;
      std::exception_ptr mishap;
      for (int64_t index; (index = next.fetch_add(1)) < count; ++mine) {
        if (mishap != nullptr) continue;
        try {
          task(context, index);
        } catch (...) {
          mishap = std::current_exception();
        }
      }
      if (mine == 0) return;
      const std::lock_guard lock(mutex);
      if (mishap != nullptr) failed = mishap;
      done += mine;
      if (done == count) finished.notify_all();
    }
  };

  static void run(void* self, int64_t count, void (*task)(void*, int64_t), void* context) {
    xla::ffi::ThreadPool& pool = static_cast<PoolRunner*>(self)->pool_;
    const int64_t helpers = std::min<int64_t>(pool.num_threads(), count) - 1;
    auto state = std::make_shared<State>();
    state->count = count;
    state->task = task;
    state->context = context;
    for (int64_t n = 0; n < helpers; ++n) pool.Schedule([state] { state->work(); });
    state->work();
    // The caller never waits for a helper to start, only for tasks that a helper has already begun: a full pool cannot block it.
    std::unique_lock lock(state->mutex);
    state->finished.wait(lock, [&] { return state->done == count; });
    if (state->failed != nullptr) std::rethrow_exception(state->failed);
  }

  xla::ffi::ThreadPool& pool_;
};

}  // namespace equijax
