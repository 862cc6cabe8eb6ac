"""The commands as a person types them: what they print, write, and refuse."""

import io
import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import ase.io
import numpy as np
import pytest

from equijax.cli import main
from equijax.data.convert import write_snapshots
from equijax.data.embedded import embedded_path
from equijax.data.formats import read_snapshot, read_snapshots
from equijax.data.store import Store
from equijax.testing import toy_snapshot
from equijax.train.log import read_log
from tests.data.test_formats import botan

SETTINGS = """
validation: 2
epochs: 6
checkpoint_every: 1
checkpoint_seconds: 0
network: {layers: 1, l_max: 1, channels: 3, cutoff: 1.6, activation: gate}
inputs: {positions: thermal, energy: false}
"""


def command(*arguments):
    return [sys.executable, "-c", "from equijax.cli import main; main()", *map(str, arguments)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUIJAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def interruptible():
    """Programs that are started here hear SIGINT, also where the tests run in the background of a shell, which has its children ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    snapshots = []
    for seed in range(6):
        snapshot = toy_snapshot(4, seed=seed)
        moved = np.linalg.norm(snapshot.positions - toy_snapshot(4, seed=seed, jitter=0.0).positions, axis=1)
        snapshots.append(snapshot.replace(times=np.array([4.0, 4120.0]), propensity=np.stack([moved, 3 * moved], 1)))
    write_snapshots(folder / "toy.h5", snapshots)
    write_snapshots(folder / "frame.extxyz", [snapshots[0].replace(times=None, propensity=None)])
    (folder / "tiny.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    os.environ["EQUIJAX_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    out = tmp_path_factory.mktemp("runs") / "tiny"
    main(["train", str(data / "tiny.yaml"), "--data", str(data / "toy.h5"), "--out", str(out), "--test", "1"])
    return out


def test_train_evaluate_predict(run, data, tmp_path, capsys):
    main(["evaluate", str(run)])
    shown = capsys.readouterr().out
    assert "1 configurations of test" in shown
    assert "4120" in shown
    results = json.loads((run / "evaluation" / "results.json").read_text())
    assert len(results["rows"]) == 4
    assert {"time", "type", "pooled"} <= results["rows"][0].keys()
    for plot in ("correlation.png", "scatter.png", "slice.png"):
        assert (run / "evaluation" / plot).read_bytes().startswith(b"\x89PNG")
    out = tmp_path / "predicted.extxyz"
    main(["predict", str(data / "frame.extxyz"), "--model", str(run), "--out", str(out)])
    header = out.read_text().splitlines()[1]
    assert "predicted_propensity_t4:R:1" in header
    assert "predicted_propensity_t4120:R:1" in header
    assert len(read_snapshot(out)) == 64


def test_baselines_are_trained_tested_and_used_by_the_same_commands(run, tmp_path, capsys):
    """On particles enough for descriptors that reach 2.5 far."""
    snapshots = []
    for seed in range(6):
        snapshot = toy_snapshot(6, seed=seed)
        moved = np.linalg.norm(snapshot.positions - toy_snapshot(6, seed=seed, jitter=0.0).positions, axis=1)
        snapshots.append(snapshot.replace(times=np.array([4.0, 4120.0]), propensity=np.stack([moved, 3 * moved], 1)))
    write_snapshots(tmp_path / "wide.h5", snapshots)
    write_snapshots(tmp_path / "frame.extxyz", [toy_snapshot(6, seed=77)])
    main(["train", "ridge-thermal", "--data", str(tmp_path / "wide.h5"), "--out", str(tmp_path / "ridge"), "--validation", "2", "--test", "1"])
    assert "Validation r = " in capsys.readouterr().out
    main(["evaluate", str(tmp_path / "ridge")])
    assert "1 configurations of test" in capsys.readouterr().out
    frame = str(tmp_path / "frame.extxyz")
    for name, models in {"one": [tmp_path / "ridge"], "net": [run], "both": [tmp_path / "ridge", run]}.items():
        main(["predict", frame, "--model", *map(str, models), "--out", str(tmp_path / f"{name}.extxyz")])
    columns = {name: ase.io.read(tmp_path / f"{name}.extxyz").arrays["predicted_propensity_t4120"] for name in ("one", "net", "both")}
    assert np.abs(columns["both"] - (columns["one"] + columns["net"]) / 2).max() < 1e-7
    (tmp_path / "mine.yaml").write_text("model: ridge\nvalidation: 2\ndescriptors: {positions: [thermal], energy: false, generations: 0}\n")
    main(["train", str(tmp_path / "mine.yaml"), "--data", str(tmp_path / "wide.h5"), "--out", str(tmp_path / "mine"), "--set", "descriptors.generations=1"])
    assert json.loads((tmp_path / "mine" / "config.json").read_text())["descriptors"]["generations"] == 1
    for arguments, message in {
        ("--resume",): "a baseline is fitted in one go",
        ("--epochs", "3"): "--set graph_network.epochs=20",
        ("--set", "descriptors.reach=3"): "there is no setting descriptors.reach",
    }.items():
        with pytest.raises(SystemExit):
            main(["train", "ridge-thermal", "--data", str(tmp_path / "wide.h5"), "--out", str(tmp_path / "no"), *arguments])
        assert message in capsys.readouterr().err


def test_set_changes_any_setting(data, tmp_path, capsys):
    main(
        [
            "train",
            str(data / "tiny.yaml"),
            "--data",
            str(data / "toy.h5"),
            "--out",
            str(tmp_path / "run"),
            "--epochs",
            "1",
            "--set",
            "network.channels=2",
            "optimizer.ema=0.5",
        ]
    )
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["network"]["channels"], config["optimizer"]["ema"], config["epochs"]) == (2, 0.5, 1)
    assert "Best validation r" in capsys.readouterr().out


def test_convert_and_inspect(data, tmp_path, capsys):
    main(["data", "convert", str(data / "toy.h5"), "--out", str(tmp_path / "toy.extxyz")])
    assert len(list(read_snapshots(tmp_path / "toy.extxyz"))) == 6
    main(["data", "inspect", str(tmp_path / "toy.extxyz")])
    shown = capsys.readouterr().out
    assert "6 configurations, the first is toy/0" in shown
    assert "t = 4120: mean propensity of A" in shown
    # Two temperatures in one folder are two blocks: means over both would be of no state point.
    hotter = [snapshot.replace(name=f"hot/{i}", temperature=0.9, times=[0.5, 50.0]) for i, snapshot in enumerate(read_snapshots(data / "toy.h5"))]
    write_snapshots(tmp_path / "hot.h5", hotter[:2])
    main(["data", "inspect", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "2 configurations, the first is hot/0" in shown
    assert "6 configurations, the first is toy/0" in shown
    assert {"t = 50", "t = 4120"} <= {line.partition(":")[0] for line in shown.splitlines()}


def test_quench_writes_minima_and_reports(tmp_path, capsys):
    write_snapshots(tmp_path / "hot.extxyz", [toy_snapshot(6, jitter=0.05)])
    main(["quench", str(tmp_path / "hot.extxyz"), "--out", str(tmp_path / "cold.extxyz"), "--tolerance", "1e-3"])
    assert "energy per particle" in capsys.readouterr().out
    assert read_snapshot(tmp_path / "cold.extxyz").inherent_positions is not None


def test_info_prints_versions_and_devices(capsys):
    main(["info"])
    shown = json.loads(capsys.readouterr().out)
    assert {"jax", "jax-md", "e3nn-jax"} <= shown["versions"].keys()
    assert shown["machine"]["devices"]
    assert shown["convolution"]


def test_ends_of_trajectories_stand_beside_their_configurations(tmp_path, capsys):
    path, _, final = botan(tmp_path)
    main(["data", "ends", str(path), "--out", str(tmp_path / "ends.h5"), "--most", "3", "--no-quench"])
    main(["data", "inspect", str(tmp_path / "ends.h5")])
    assert "4 configurations, 3 of them known by single trajectories, the first is T0.44/N10_1" in capsys.readouterr().out
    assert np.array_equal(list(read_snapshots(tmp_path / "ends.h5"))[2].positions, final[1])


def bad_pickle(folder):
    class Attack:
        def __reduce__(self):
            return (print, ("must not be printed",))

    (folder / "aggregated_data_1.pickle").write_bytes(pickle.dumps(Attack(), protocol=3))
    return folder / "aggregated_data_1.pickle"


def overlapping(folder):
    snapshot = toy_snapshot(6)
    positions = snapshot.positions.copy()
    positions[1] = positions[0] + 0.01
    write_snapshots(folder / "overlap.extxyz", [snapshot.replace(positions=positions)])
    return folder / "overlap.extxyz"


def small_box(folder):
    write_snapshots(folder / "small.extxyz", [toy_snapshot(4)])
    return folder / "small.extxyz"


def exchanged(folder):
    with Store(embedded_path()) as store:
        write_snapshots(folder / "exchanged.extxyz", [store[0].replace(types=1 - store[0].types)])
    return folder / "exchanged.extxyz"


def folder(path):
    path.mkdir()
    return path


def broken(folder):
    (folder / "broken.yaml").write_text("a: [1\n")
    return folder / "broken.yaml"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda d, t: ["data", "inspect", t / "nothing.npz"], "nothing.npz: there is no such file"),
        (lambda d, t: ["data", "inspect", bad_pickle(t)], "does not run code"),
        (lambda d, t: ["quench", overlapping(t), "--out", t / "out.extxyz"], "particles 0 and 1 are 0.0173 apart"),
        (lambda d, t: ["quench", small_box(t), "--out", t / "out.extxyz"], "cutoff 2.5 is not below half"),
        (lambda d, t: ["quench", d / "frame.extxyz", "--out", t / "out.lmp"], "no writer|not below half"),
        (lambda d, t: ["train", "nothing", "--out", t / "run"], "no such config file, nor a preset"),
        (lambda d, t: ["train", d / "tiny.yaml", "--out", t / "run"], "no data: give at least one"),
        (lambda d, t: ["train", d / "tiny.yaml", "--data", d / "toy.h5", "--out", t / "run", "--set", "network.layrs=3"], "did you mean network.layers?"),
        (lambda d, t: ["train", d / "tiny.yaml", "--data", d / "toy.h5", "--out", t / "run", "--set", "epochs=[1"], "the value cannot be read"),
        (lambda d, t: ["train", d / "tiny.yaml", "--data", d / "toy.h5", "--out", t / "run", "--set", "layers"], "expected setting=value"),
        (lambda d, t: ["train", d / "tiny.yaml", "--data", d / "toy.h5", "--out", t / "run", "--validation", "6"], "leave one to train"),
        (lambda d, t: ["train", d / "tiny.yaml", "--data", d / "toy.h5", "--out", t / "run", "--resume"], "holds no run to resume"),
        (lambda d, t: ["train", d / "tiny.yaml", "--data", d / "toy.h5", d / "toy.h5", "--out", t / "run"], "is there twice"),
        (lambda d, t: ["data", "ends", d / "toy.h5", "--out", t / "ends.h5"], "keeps no trajectories"),
        (lambda d, t: ["data", "ends", botan(t)[0], "--out", t / "ends.h5", "--most", "-1", "--no-quench"], "most is -1; expected 1 or more"),
        (lambda d, t: ["evaluate", t], "is not the folder of a run"),
        (lambda d, t: ["predict", d / "frame.extxyz", "--model", t / "none", "--out", t / "out.extxyz"], "there is no such folder, nor does a network"),
        (lambda d, t: ["predict", d / "frame.extxyz", "--model", "ka-0.56", "--out", folder(t / "a.extxyz")], "a.extxyz: is a folder; give the name of a file"),
        (lambda d, t: ["predict", exchanged(t), "--model", "ka-0.56", "--out", t / "out.extxyz"], "20% of its particles are of type A, of those that .* on 80%"),
        (lambda d, t: ["evaluate", "ka-0.56", "--data", d / "toy.h5", "--out", d / "toy.h5"], "toy.h5: cannot be written"),
        (lambda d, t: ["train", broken(t), "--out", t / "run"], r"broken.yaml: cannot be read as YAML \(while parsing .* line 2, column 1.*\)"),
        (lambda d, t: ["predict", d / "frame.extxyz", "--model", "ka-0.56", "--out", t / "out.h5"], "predictions are written as extxyz"),
        (lambda d, t: ["predict", d / "frame.extxyz", "--model", "ka-0.56", "--out", t / "out.extxyz", "--average", "4"], "is for times of 2000 and more"),
        (lambda d, t: ["predict", d / "frame.extxyz", "--model", "ka-0.56", "--out", t / "out.extxyz", "--temperature", "1"], "give --average too"),
        (lambda d, t: ["evaluate", "ka-0.56", "--data", d / "toy.h5", "--part", "train", "--out", t / "out"], "train is a part of the run's own data"),
        (lambda d, t: ["data", "convert", d / "toy.h5", "--out", t / "out.extxyz", "--single"], "single precision is for stores"),
        (lambda d, t: ["quench", d / "frame.extxyz", "--out", t / "out.extxyz", "--tolerance", "nan"], "expected a positive tolerance"),
        (lambda d, t: ["train", "ridge", "--data", d / "toy.h5", "--out", t / "run", "--set", "perceptron.epochs=3"], "ridge does not read that; leave it out"),
        (lambda d, t: ["train", "bapst", "--data", d / "toy.h5", "--out", t / "run", "--set", "graph_network.epochs=0"], "width, passes and epochs of 1 or more"),
        (lambda d, t: ["train", "paper", "--data", d / "toy.h5", "--out", t / "run", "--set", "network.layers.x=3"], "layers has no settings of its own"),
        (lambda d, t: ["data", "fetch", "glass"], "there is no public set 'glass'"),
        (lambda d, t: ["data", "fetch", "botan"], "say --yes"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(data, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments(data, tmp_path)])
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("equijax: ")]
    assert stopped.value.code == 2
    assert len(error) == 1
    assert re.search(message, error[0])
    assert not any((tmp_path / name).exists() for name in ("out.extxyz", "ends.h5"))
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_predictor_of_another_architecture_is_refused(run, data, tmp_path, capsys):
    """A run whose stored network was tampered with does not match its weights."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for meta in copy.glob("checkpoints/*/meta/metadata"):
        text, count = re.subn(r'("channels":\s*)3', r"\g<1>4", meta.read_text())
        assert count
        meta.write_text(text)
    with pytest.raises(SystemExit):
        main(["predict", str(data / "frame.extxyz"), "--model", str(copy), "--out", str(tmp_path / "out.extxyz")])
    assert "is of another architecture or precision" in capsys.readouterr().err


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written(data, tmp_path):
    """A limit of a few kilobytes a file: to the program, a disk that fills up in the middle of a write."""
    convert = shlex.join(command("data", "convert", data / "toy.h5", "--out", tmp_path / "big.extxyz"))
    done = subprocess.run(["bash", "-c", f"ulimit -f 4; trap '' XFSZ; exec {convert}"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "big.extxyz" in done.stderr.splitlines()[-1]
    assert not [path for path in tmp_path.iterdir() if "big" in path.name]


@pytest.mark.slow
def test_ctrl_c_is_one_sentence(data, tmp_path, interruptible):
    arguments = command("train", data / "tiny.yaml", "--data", data / "toy.h5", "--out", tmp_path / "run", "--epochs", "100000")
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: any(path.name.isdigit() for path in (tmp_path / "run" / "checkpoints").glob("*")), process)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "equijax: interrupted" in error.splitlines()[-1]
    assert "Traceback" not in error


@pytest.mark.slow
def test_an_interrupted_simulation_leaves_its_configurations_readable(tmp_path, interruptible):
    settings = {"temperatures": [2.0], "mixture": {"particles": 216}, "configurations": 40, "trajectories": 2, "times": [0.5, 1.0], "waiting": 4.0}
    (tmp_path / "sim.yaml").write_text(json.dumps(settings))
    finished = tmp_path / "run" / "T2" / "configurations"
    with subprocess.Popen(command("simulate", tmp_path / "sim.yaml", "--out", tmp_path / "run"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        wait_for(lambda: (finished / "001.h5").exists(), process)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "atom-steps" in said
    assert "in equilibrium after" in said
    assert "simulate go on with --resume" in error.splitlines()[-1]
    assert "Traceback" not in error
    with Store(finished / "000.h5") as store:
        assert store[0].propensity.shape == (216, 2)


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_and_resumed_runs_have_exactly_the_losses_of_a_whole_one(data, tmp_path):
    """kill -9 in the middle, twice; data order, weights and averages go on as if nothing had happened."""
    settings = ["train", data / "tiny.yaml", "--data", data / "toy.h5", "--epochs", "60", "--set", "patience=60"]
    subprocess.run(command(*settings, "--out", tmp_path / "whole"), check=True, timeout=300, capture_output=True)
    for attempt, after in enumerate((10, 100)):
        resume = ["--resume"] if attempt else []
        with subprocess.Popen(command(*settings, "--out", tmp_path / "cut", *resume), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            wait_for(lambda after=after: max([int(p.name) for p in (tmp_path / "cut" / "checkpoints").glob("*") if p.name.isdigit()], default=0) >= after, process)
            process.kill()
    subprocess.run(command(*settings, "--out", tmp_path / "cut", "--resume"), check=True, timeout=300, capture_output=True)
    whole, cut = ([(line["step"], line["loss"]) for line in read_log(tmp_path / name / "metrics.jsonl") if "loss" in line] for name in ("whole", "cut"))
    assert cut == whole
    assert len(whole) == 240


@pytest.mark.slow
def test_quickstart_writes_a_page_and_five_lines(tmp_path, capsys):
    main(["quickstart", "--out", str(tmp_path / "report"), "--epochs", "2"])
    assert len(capsys.readouterr().out.strip().splitlines()) == 5
    page = (tmp_path / "report" / "index.html").read_text()
    for plot in ("correlation.png", "scatter.png", "slice.png"):
        assert plot in page
        assert (tmp_path / "report" / plot).exists()
