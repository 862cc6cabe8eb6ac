// What Python sees: an XLA handler that lists the neighbours of each configuration of a batch.

#include <string>

#include "entries.h"
#include "instruction_set.h"
#include "tables.h"
#include "xla/ffi/api/ffi.h"

namespace equijax {
namespace ffi = xla::ffi;
namespace {

using Integers = ffi::Buffer<ffi::S32>;
using Floats = ffi::Buffer<ffi::F32>;

ffi::Error bad(const std::string& what) { return ffi::Error(ffi::ErrorCode::kInvalidArgument, "equijax neighbour table: " + what); }

// coordinates (r, n, d), types (n), box (d), reach (t, t) -> table (k, r n), largest number of neighbours (r)
ffi::Error table(Integers coordinates, Integers types, Floats box, Floats reach, ffi::ResultBuffer<ffi::S32> table, ffi::ResultBuffer<ffi::S32> largest) {
  const auto shape = coordinates.dimensions();
  const auto out = table->dimensions();
  if (shape.size() != 3 || out.size() != 2 || reach.dimensions().size() != 2) return bad("arrays of the wrong rank");
  const int64_t replicas = shape[0], n = shape[1], d = shape[2], known = reach.dimensions()[0];
  if (d < 1 || d > 3 || known < 1 || known > kMostTypes) return bad(std::to_string(d) + " dimensions and " + std::to_string(known) + " types; at most 3 and 8 are possible");
  if (out[1] != replicas * n || static_cast<int64_t>(largest->element_count()) != replicas || static_cast<int64_t>(types.element_count()) != n ||
      static_cast<int64_t>(box.element_count()) != d)
    return bad("arrays that do not fit together");
  if (replicas * n > kNumber) return bad(std::to_string(replicas * n) + " particles; at most " + std::to_string(kNumber) + " have numbers");
  for (int64_t i = 0; i < n; ++i)
    if (types.typed_data()[i] < 0 || types.typed_data()[i] >= known) return bad("particle " + std::to_string(i) + " has a type that does not exist");
  static const TableKernels& kernels = EQUIJAX_BEST(table_kernels);
  try {
    for (int64_t r = 0; r < replicas; ++r) {
      const Liquid liquid{n, d, known, coordinates.typed_data() + r * n * d, types.typed_data(), box.typed_data(), reach.typed_data()};
      largest->typed_data()[r] = static_cast<int32_t>(kernels.fill(liquid, {table->typed_data(), out[0], out[1], r * n}));
    }
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "equijax neighbour table: out of memory for " + std::to_string(n) + " particles");
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_table, table,
                              ffi::Ffi::Bind().Arg<Integers>().Arg<Integers>().Arg<Floats>().Arg<Floats>().Ret<Integers>().Ret<Integers>());

}  // namespace equijax
