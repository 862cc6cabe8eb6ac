// What Python sees: an XLA handler of the forces in configurations whose particles stand one behind the other.

#include <algorithm>
#include <atomic>
#include <new>
#include <string>
#include <vector>

#include "entries.h"
#include "forces.h"
#include "instruction_set.h"
#include "pool.h"

namespace equijax {
namespace ffi = xla::ffi;
namespace {

using Integers = ffi::Buffer<ffi::S32>;
using Floats = ffi::Buffer<ffi::F32>;
using Doubles = ffi::Buffer<ffi::F64>;

constexpr int64_t kParticlesPerTask = 2048;

ffi::Error bad(const std::string& what) { return ffi::Error(ffi::ErrorCode::kInvalidArgument, "equijax forces: " + what); }

// positions (m, d), types (n) with m a multiple of n, table (k, m), box (d), strengths (3, t, t): repulsion, attraction, reach -> forces (m, d)
ffi::Error forces(ffi::ThreadPool pool, Doubles positions, Integers types, Integers table, Doubles box, Floats strengths, ffi::ResultBuffer<ffi::F64> out) {
  const auto shape = positions.dimensions(), listed = table.dimensions(), known = strengths.dimensions();
  if (shape.size() != 2 || listed.size() != 2 || known.size() != 3) return bad("arrays of the wrong rank");
  const int64_t m = shape[0], d = shape[1], n = types.element_count(), t = known[1];
  if (d < 1 || d > 3 || t < 1 || t > kMostTypes) return bad(std::to_string(d) + " dimensions and " + std::to_string(t) + " types; at most 3 and 8 are possible");
  if (n < 1 || m % n || listed[1] != m || static_cast<int64_t>(box.element_count()) != d || known[0] != 3 || known[2] != t ||
      static_cast<int64_t>(out->element_count()) != m * d)
    return bad("arrays that do not fit together");
  if (m > kNumber) return bad(std::to_string(m) + " particles; at most " + std::to_string(kNumber) + " have numbers");
  for (int64_t i = 0; i < n; ++i)
    if (types.typed_data()[i] < 0 || types.typed_data()[i] >= t) return bad("particle " + std::to_string(i) + " has a type that does not exist");
  static const ForceKernels& kernels = EQUIJAX_BEST(force_kernels);
  try {
    std::vector<int32_t> places(4 * m);
    Forces all{m, d, listed[0], t, places.data(), table.typed_data(), strengths.typed_data(), strengths.typed_data() + t * t, strengths.typed_data() + 2 * t * t, {}, out->typed_data()};
    for (int64_t a = 0; a < d; ++a) all.scale[a] = static_cast<float>(box.typed_data()[a] * 0x1p-32);
    const auto in_parts = [&](auto&& part) {
      PoolRunner pooled(pool);
      pooled.runner()((m + kParticlesPerTask - 1) / kParticlesPerTask, [&](int64_t index) {
        const int64_t first = index * kParticlesPerTask;
        part(first, std::min(kParticlesPerTask, m - first));
      });
    };
    in_parts([&](int64_t first, int64_t count) { kernels.place(positions.typed_data(), types.typed_data(), n, box.typed_data(), d, first, count, places.data()); });
    std::atomic<bool> known{true};
    in_parts([&](int64_t first, int64_t count) {
      if (!kernels.forces(all, first, count)) known = false;
    });
    if (!known) return bad("a neighbour that does not exist");
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "equijax forces: out of memory for " + std::to_string(m) + " particles");
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_forces, forces,
                              ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Doubles>().Arg<Integers>().Arg<Integers>().Arg<Doubles>().Arg<Floats>().Ret<Doubles>());

}  // namespace equijax
