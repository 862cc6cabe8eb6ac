"""Write `cpp/coupling.h`, the Clebsch-Gordan coefficients that the native kernels unroll.

python -m equijax.nn.kernels.native.generate
"""

from pathlib import Path

import numpy as np

from equijax.nn.triplets import coupling

L_MAX = 3
HEADER = Path(__file__).parent / "cpp" / "coupling.h"
_INTRODUCTION = """\
// Written by equijax/nn/kernels/native/generate.py: run it again instead of editing.
// Coefficients C[i, f, o] of (input order, filter order) -> output order in the basis of e3nn, times sqrt(2 output + 1), sorted by i, o, f.
#pragma once

namespace equijax {

constexpr int kLargestOrder = 3;

struct Term {
  int i, f, o;
  float c;
};

template <int Input, int Filter, int Output>
struct Coupling;
"""


def header() -> str:
    """Return the text of the header."""
    orders = range(L_MAX + 1)
    parts = [_INTRODUCTION]
    for a in orders:
        for b in orders:
            for c in range(abs(a - b), min(a + b, L_MAX) + 1):
                table = coupling(a, b, c)
                found = sorted((i, o, f) for i, f, o in np.argwhere(np.abs(table) > 1e-9).tolist())
                terms = [f"{{{i}, {f}, {o}, {table[i, f, o]:#.9g}f}}" for i, o, f in found]
                rows = ",\n      ".join(", ".join(terms[k : k + 4]) for k in range(0, len(terms), 4))
                parts.append(f"template <>\nstruct Coupling<{a}, {b}, {c}> {{\n  static constexpr Term terms[] = {{\n      {rows}}};\n}};\n")
    return "\n".join([*parts, "}  // namespace equijax\n"])


if __name__ == "__main__":
    HEADER.write_text(header())
