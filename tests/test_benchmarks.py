"""The benchmarks run, at toy size: what they print is no measurement here, but they must not rot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
TINY = ["--layers", "2", "--l-max", "1", "--channels", "4"]
FIRST_CORE = str(min(os.sched_getaffinity(0)))

COMMANDS = {
    "convolution.py": [*TINY, "--particles", "125", "--rounds", "1", "--core", FIRST_CORE, "--only", "equijax, xla", "DeepMind 2020 (jraph)"],
    "growth.py": [*TINY, "--particles", "125", "216", "--steps-to", "125", "--rounds", "1", "--cores", FIRST_CORE],
    "threads.py": [*TINY, "--particles", "125", "--rounds", "1", "--cores", FIRST_CORE, "--kernels", "native"],
    "compile_time.py": ["--layers", "2", "--channels", "4", "--particles", "125", "--orders", "1", "--kernels", "native", "xla"],
    "million.py": [*TINY, "--particles", "1000"],
    "dynamics.py": ["--particles", "512", "--replicas", "1", "--atom-steps", "2e4", "--rounds", "1", "--core", FIRST_CORE],
}


def run(tmp_path, script, *arguments):
    out = tmp_path / "out.json"
    command = [sys.executable, str(FOLDER / script), *map(str, arguments), "--out", str(out)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    assert result.returncode == 0, result.stdout + result.stderr
    content = json.loads(out.read_text())
    assert content["versions"]
    assert content["machine"]
    return content


@pytest.mark.slow
@pytest.mark.parametrize("script", COMMANDS)
def test_it_runs_and_writes_what_it_measured(script, tmp_path):
    run(tmp_path, script, *COMMANDS[script])


@pytest.mark.slow
def test_the_accelerator_benchmark_finds_every_kernel_exact(tmp_path):
    problem = tmp_path / "problem.npz"
    subprocess.run([sys.executable, str(FOLDER / "write_problem.py"), str(problem), "--particles", "125"], check=True, capture_output=True)
    content = run(tmp_path, "accelerator.py", "--problem", problem, "--repeats", "1", *TINY)
    for name in ("xla, highest", "native"):
        assert content["network"][name]["error_of_values"] < 5e-6
        assert content["network"][name]["largest_error_of_gradients"] < 2e-5  # small gradients of small sums, relative to the largest of their leaf
    assert "gpu" in content["network"]["cuda"]["left_out"]
