// Aligned scratch memory, kept between calls: fresh pages would cost more than the arithmetic done on them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace equijax {

class Buffer {
 public:
  explicit Buffer(size_t floats) : block_(take(floats)) {}
  ~Buffer() { give(block_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* data() const { return block_.data; }

 private:
  struct Block {
    float* data;
    size_t floats;
  };
  struct Store {
    std::mutex mutex;
    std::vector<Block> free;
    size_t held = 0;
  };
  static constexpr size_t kMostHeld = size_t{64} << 20;  // floats, 256 MiB

  static Store& shared() {
    static Store* s = new Store;  // never destroyed: a thread of the pool may outlive the statics
    return *s;
  }

  static Block take(size_t floats) {
    Store& s = shared();
    {
      std::lock_guard lock(s.mutex);
      size_t best = s.free.size();
      for (size_t k = 0; k < s.free.size(); ++k)
        if (s.free[k].floats >= floats && s.free[k].floats <= 2 * floats + 4096 && (best == s.free.size() || s.free[k].floats < s.free[best].floats)) best = k;
      if (best < s.free.size()) {
        const Block found = s.free[best];
        s.free.erase(s.free.begin() + best);
        s.held -= found.floats;
        return found;
      }
    }
    const size_t rounded = (floats + 16) / 16 * 16;
    void* data = std::aligned_alloc(64, 4 * rounded);
    if (!data) throw std::bad_alloc();
    return {static_cast<float*>(data), rounded};
  }

  static void give(Block block) {
    Store& s = shared();
    std::lock_guard lock(s.mutex);
    if (s.held + block.floats > kMostHeld) {
      std::free(block.data);
    } else {
      s.free.push_back(block);
      s.held += block.floats;
    }
  }

  Block block_;
};

}  // namespace equijax
