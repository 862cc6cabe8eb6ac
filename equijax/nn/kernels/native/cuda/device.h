// The little that the kernels need of CUDA. Compiled by something else than nvcc, "emulator.h" provides it: the tests run the kernels on a CPU.
#pragma once

#ifdef __CUDACC__

#include <cuda_runtime.h>

#include "xla/ffi/api/ffi.h"

namespace equijax::cuda {

constexpr int kWarp = 32, kWarpsPerBlock = 4;

using Stream = cudaStream_t;
using Context = xla::ffi::PlatformStream<Stream>;  // what XLA is asked for to get one

__device__ __forceinline__ int lane() { return threadIdx.x % kWarp; }
__device__ __forceinline__ int64_t warp() { return static_cast<int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp; }
__device__ __forceinline__ float exchange(float value, int distance) { return __shfl_xor_sync(0xffffffffu, value, distance); }

// Starts `warps` warps of a kernel and returns what went wrong, or null.
template <class... Parameters, class... Arguments>
const char* launch(Stream stream, void (*kernel)(Parameters...), int64_t warps, Arguments... arguments) {
  if (warps == 0) return nullptr;
  kernel<<<static_cast<unsigned>((warps + kWarpsPerBlock - 1) / kWarpsPerBlock), kWarp * kWarpsPerBlock, 0, stream>>>(arguments...);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

inline const char* clear(Stream stream, float* data, int64_t floats) {
  const cudaError_t error = cudaMemsetAsync(data, 0, 4 * floats, stream);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace equijax::cuda

#else
#include "emulator.h"
#endif
