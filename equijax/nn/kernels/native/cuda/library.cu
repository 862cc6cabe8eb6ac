// What Python sees of the GPU kernels: XLA handlers that launch them on XLA's stream.

#include "describe.h"
#include "kernels.h"

namespace equijax {
namespace {

using namespace cuda;

Edges edges_of(const Problem& p) {
  return {p.nodes, p.slots, static_cast<int>(p.knots), p.cutoff, p.distances, p.harmonics, p.senders, p.degrees};
}

Input input_of(const Problem& p, int number, float* const* messages) {
  const Chunk& chunk = p.chunks[number];
  Input in{p.feature + chunk.start, p.features, p.table, p.columns, chunk.channels, 1, {}};
  while (in.width < chunk.channels && in.width < kWarp) in.width *= 2;
  for (auto& row : in.routes)
    for (Route& route : row) route.column = -1;
  for (const Path& path : p.paths)
    if (path.chunk == number) in.routes[path.filter][path.output] = {path.column, messages[path.block] + path.first, p.blocks[path.block].width};
  return in;
}

template <int L, int I>
struct OrdersOf {
  static constexpr int l_max = L, input = I;
};

// Calls body with both orders as constants.
template <class Body>
const char* with_orders(int l_max, int order, Body&& body) {
  const char* error = nullptr;
  unroll<kOrders * kOrders>([&](auto n) {
    constexpr int L = decltype(n)::value / kOrders, I = decltype(n)::value % kOrders;
    if constexpr (I <= L)
      if (L == l_max && I == order) error = body(OrdersOf<L, I>{});
  });
  return error;
}

// Calls body(problem, index, chunk, input, orders) for every chunk of every problem of the batch, and `before` before each problem.
template <class Messages, class Before, class Body>
ffi::Error for_each_chunk(const Arrays& arrays, const Shape& shape, const Messages& messages, Before&& before, Body&& body) {
  Problem p{};
  if (ffi::Error error = describe(arrays, shape, p); error.failure()) return error;
  for (int64_t index = 0; index < batch_of(arrays.features); ++index) {
    select(arrays, index, p);
    std::vector<float*> blocks;
    if (ffi::Error error = select(messages, index, p, blocks); error.failure()) return error;
    const char* failed = before(p, index);
    for (int number = 0; number < static_cast<int>(p.chunks.size()) && failed == nullptr; ++number) {
      if (p.chunks[number].order > p.l_max) continue;  // it has no paths
      const Input in = input_of(p, number, blocks.data());
      failed = with_orders(p.l_max, p.chunks[number].order, [&](auto orders) { return body(p, index, p.chunks[number], in, orders); });
    }
    if (failed != nullptr) return ffi::Error::Internal(std::string("equijax CUDA convolution: ") + failed);
  }
  return ffi::Error::Success();
}

const auto kNothing = [](const Problem&, int64_t) -> const char* { return nullptr; };

ffi::Error forward_call(Stream stream, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees,
                        ffi::RemainingRets messages, Numbers chunks, Numbers blocks, Numbers paths, int64_t l_max, float cutoff) {
  return for_each_chunk({features, table, distances, harmonics, senders, degrees}, {chunks, blocks, paths, l_max, cutoff}, messages, kNothing,
                        [&](const Problem& p, int64_t, const Chunk&, const Input& in, auto orders) {
                          return launch(stream, forward<decltype(orders)::l_max, decltype(orders)::input>, p.nodes * in.groups(), edges_of(p), in);
                        });
}

ffi::Error backward_call(Stream stream, Floats features, Floats table, Floats distances, Floats harmonics, Integers senders, Integers degrees,
                         ffi::RemainingArgs cotangent, Result gradient, Numbers chunks, Numbers blocks, Numbers paths, int64_t l_max, float cutoff) {
  return for_each_chunk({features, table, distances, harmonics, senders, degrees}, {chunks, blocks, paths, l_max, cutoff}, cotangent,
                        [&](const Problem& p, int64_t index) { return clear(stream, gradient->typed_data() + index * p.nodes * p.features, p.nodes * p.features); },
                        [&](const Problem& p, int64_t index, const Chunk& chunk, const Input& in, auto orders) {
                          float* out = gradient->typed_data() + index * p.nodes * p.features + chunk.start;
                          return launch(stream, backward<decltype(orders)::l_max, decltype(orders)::input>, p.nodes * in.groups(), edges_of(p), in, out);
                        });
}

ffi::Error table_call(Stream stream, Floats features, Floats filters, Floats distances, Floats harmonics, Integers senders, Integers degrees,
                      Integers order, Integers first, ffi::RemainingArgs cotangent, Result parts, Numbers chunks, Numbers blocks, Numbers paths,
                      int64_t l_max, float cutoff) {
  if (dimension(parts->dimensions(), 4) != kSplits) return bad("the table's cotangent comes in " + std::to_string(kSplits) + " parts");
  return for_each_chunk({features, filters, distances, harmonics, senders, degrees}, {chunks, blocks, paths, l_max, cutoff}, cotangent, kNothing,
                        [&](const Problem& p, int64_t index, const Chunk&, const Input& in, auto orders) {
                          const int64_t intervals = p.knots - 1;
                          return launch(stream, table<decltype(orders)::l_max, decltype(orders)::input>, kSplits * intervals * in.groups(), edges_of(p), in,
                                        order.typed_data() + index * p.nodes * p.slots, first.typed_data() + index * p.knots,
                                        parts->typed_data() + index * kSplits * intervals * 4 * p.columns);
                        });
}

ffi::Error geometry_call(Stream stream, Floats features, Floats filters, Floats distances, Floats harmonics, Integers senders, Integers degrees,
                         Floats slopes, ffi::RemainingArgs cotangent, Result distance_gradient, Result harmonic_gradient, Numbers chunks, Numbers blocks,
                         Numbers paths, int64_t l_max, float cutoff) {
  const auto dr = [&](const Problem& p, int64_t index) { return distance_gradient->typed_data() + index * p.nodes * p.slots; };
  const auto dy = [&](const Problem& p, int64_t index) { return harmonic_gradient->typed_data() + index * p.nodes * p.slots * (p.l_max + 1) * (p.l_max + 1); };
  return for_each_chunk(
      {features, filters, distances, harmonics, senders, degrees}, {chunks, blocks, paths, l_max, cutoff}, cotangent,
      [&](const Problem& p, int64_t index) {
        const char* failed = clear(stream, dr(p, index), p.nodes * p.slots);
        return failed != nullptr ? failed : clear(stream, dy(p, index), p.nodes * p.slots * (p.l_max + 1) * (p.l_max + 1));
      },
      [&](const Problem& p, int64_t index, const Chunk&, const Input& in, auto orders) {
        return launch(stream, geometry<decltype(orders)::l_max, decltype(orders)::input>, p.nodes, edges_of(p), in,
                      slopes.typed_data() + index * p.knots * 2 * p.columns, dr(p, index), dy(p, index));
      });
}

auto binding() {
  return ffi::Ffi::Bind().Ctx<Context>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Integers>().Arg<Integers>();
}

// The handlers do nothing but launch: XLA may record them in a CUDA graph.
constexpr auto kTraits = {ffi::Traits::kCmdBufferCompatible};

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_cuda_forward, forward_call, binding().RemainingRets() EQUIJAX_SHAPE, kTraits);
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_cuda_backward, backward_call, binding().RemainingArgs().Ret<Floats>() EQUIJAX_SHAPE, kTraits);
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_cuda_table, table_call, binding().Arg<Integers>().Arg<Integers>().RemainingArgs().Ret<Floats>() EQUIJAX_SHAPE, kTraits);
XLA_FFI_DEFINE_HANDLER_SYMBOL(equijax_cuda_geometry, geometry_call, binding().Arg<Floats>().RemainingArgs().Ret<Floats>().Ret<Floats>() EQUIJAX_SHAPE, kTraits);

}  // namespace equijax
