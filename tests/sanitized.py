"""Native code under the sanitizers of addresses and undefined behaviour."""

import platform
import subprocess
from pathlib import Path

NATIVE = Path(__file__).parent.parent / "equijax"
INSTRUCTION_SETS = {"baseline": (4, [])}
if platform.machine() in ("x86_64", "AMD64"):
    INSTRUCTION_SETS |= {"avx2": (8, ["-march=x86-64-v3"]), "avx512": (16, ["-march=x86-64-v4"])}


def assert_no_sanitizer_complains(folder: Path, source: Path, driver: Path, include: tuple[Path, ...]) -> None:
    """Compile a source for every instruction set beside a driver, which runs those that this machine has and fails where a result is wrong."""
    # Without -g, which adds half as much time again; a complaint names its line all the same, or its function.
    flags = ["-std=c++17", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *(f"-I{path}" for path in include)]
    objects, compilers = [], []
    for name, (lanes, more) in INSTRUCTION_SETS.items():
        objects.append(str(folder / f"{name}.o"))
        command = ["g++", *flags, *more, f"-DEQUIJAX_TARGET={name}", f"-DEQUIJAX_LANES={lanes}", "-c", str(source), "-o", objects[-1]]
        compilers.append(subprocess.Popen(command))
    assert {compiler.wait() for compiler in compilers} == {0}
    subprocess.run(["g++", *flags, str(driver), *objects, "-o", str(folder / "driver")], check=True)
    result = subprocess.run([folder / "driver"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
