"""`make mutants`: plants a seeded sample of mistakes, one at a time, and prints those that no test
notices.

cargo-mutants lists the mutants; each is planted in a copy of the repository (target/mutants/tree)
and runs against the fast suites in stages: a stage that fails has caught it. Results are kept in
tests/mutants/record.json, so an interrupted run continues where it stopped, on another machine too:

- a caught mutant, or one that hangs a test, stays caught while its file is unchanged;
- a missed one is run again as soon as anything changed, such as a new test.

Environment: SEED; CORE and AWS, how many mutants of each crate (a number, or `all`); FILES, to take
mutants of these files only; FRESH=1 ignores earlier results.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
WORK = TOP / "target" / "mutants"
TREE = WORK / "tree"
RESULTS = TOP / "tests" / "mutants" / "record.json"
EQUIVALENT = TOP / "tests" / "mutants" / "equivalent.txt"
TOOL = TOP / ".local" / "mutants" / "bin" / "cargo-mutants"

# What the copy needs to build and to run the suites.
COPIED = ("Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "clippy.toml", "README.md",
          "shared/", "functions/", "tests/", "infra/")

# A build that takes longer hangs.
BUILD_SECONDS = 1800

# The share of viable mutants that the suites have to catch, in percent.
SCORE_MIN = 90

# A test hangs that takes so many times as long as it does without a mutant.
TIMES_AS_LONG = 5

# The packages of each half: what decides, and what calls.
PACKAGES = {
    "core": ("poolbridge-core", "poolbridge-sweep-core"),
    "aws": ("poolbridge-aws", "poolbridge-config", "poolbridge-telemetry", "poolbridge-capture",
            "poolbridge-trail"),
}

# For each half: the stages, each with its packages, its arguments for `cargo test`, those for the
# test programs, and the seconds for which a test may always run.
QUICK = ["--no-default-features", "--features=worlds", "--test=quick"]
STAGES = {
    "core": [
        ("units", ["poolbridge-core", "poolbridge-sweep-core"], ["--lib"], [], 60),
        ("stories", ["poolbridge-tests"], QUICK, ["invariants::", "stories::"], 60),
        ("worlds", ["poolbridge-tests"], QUICK,
         ["--skip=invariants::", "--skip=stories::", "--skip=a_million_people",
          "--skip=after_a_kill_at_any_point"], 300),
    ],
    "aws": [
        ("units", ["poolbridge-aws", "poolbridge-config", "poolbridge-telemetry",
                   "poolbridge-capture", "poolbridge-trail"], ["--lib"], [], 120),
        ("operator", ["poolbridge-operator"], ["--bins"], [], 120),
        ("contract and payloads", ["poolbridge-tests"], ["--test=contract", "--test=payloads"], [],
         300),
    ],
}


def environment(stage=""):
    """One target folder with the usual build, so that dependencies are compiled once. Units take
    milliseconds however they are compiled, so what counts is how long that takes."""
    level = "0" if stage == "units" else "1"
    return dict(os.environ, CARGO_TARGET_DIR=str(TOP / "target"), CARGO_INCREMENTAL="1",
                CARGO_PROFILE_RELEASE_OPT_LEVEL=level, CARGO_TERM_COLOR="never")


def fail(text, hint):
    sys.exit(f"mutants: {text}\n  hint: {hint}")


def run(arguments, stage="", **more):
    return subprocess.run(["nice", "-n", "19", *map(str, arguments)], env=environment(stage),
                          cwd=TREE, check=False, **more)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def copy_tree():
    """Brings the copy up to date. Only what differs is written: cargo goes by times."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=TOP, check=True, capture_output=True).stdout.decode()
    names = listed.split("\0")
    wanted = {name for name in names if name.startswith(COPIED) and (TOP / name).is_file()}
    wanted.discard(str(RESULTS.relative_to(TOP)))
    whole = hashlib.sha256()
    for name in sorted(wanted):
        data, target = (TOP / name).read_bytes(), TREE / name
        whole.update(f"{name}\0{digest(data)}\0".encode())
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            shutil.copymode(TOP / name, target)
    for target in [path for path in TREE.rglob("*") if path.is_file()]:
        if str(target.relative_to(TREE)) not in wanted and "mutants.out" not in target.parts:
            target.unlink()
    # The contract suite starts the local stack, which is installed at the repository's top.
    if not (TREE / ".local").is_symlink():
        (TREE / ".local").symlink_to(TOP / ".local")
    return whole.hexdigest()


class Mutant:
    """One mistake that can be planted."""

    def __init__(self, entry):
        self.name, self.diff = entry["name"], entry["diff"]
        self.file = entry["file"]
        self.line = entry["span"]["start"]["line"]
        self.crate = "core" if entry["package"] in PACKAGES["core"] else "aws"
        # Without line and column: unrelated edits of the file change neither the sample nor the
        # list of equivalent mutants.
        self.what = re.sub(r"^\S+?:\d+:\d+: ", "", self.name)
        self.key = f"{self.file}: {self.what}"

    def text(self):
        return f"{self.file}:{self.line}: {self.what}"


def listed():
    arguments = [TOOL, "mutants", "--list", "--json", "--diff", "--no-config", "--dir", TREE]
    for package in PACKAGES["core"] + PACKAGES["aws"]:
        arguments += ["--package", package]
    answer = run(arguments, capture_output=True)
    if answer.returncode != 0:
        fail("the mutants cannot be listed", answer.stderr.decode()[-500:])
    mutants, count = [], {}
    for entry in json.loads(answer.stdout):
        mutant = Mutant(entry)
        count[mutant.key] = count.get(mutant.key, 0) + 1
        if count[mutant.key] > 1:
            mutant.key += f" #{count[mutant.key]}"
        mutants.append(mutant)
    return mutants


def equivalent():
    reasons = {}
    for line in EQUIVALENT.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            key, _, reason = line.partition(" -- ")
            if not reason:
                fail(f"no reason is given for: {line}", f"write `{key} -- REASON`")
            reasons[key.strip()] = reason.strip()
    return reasons


def sample(mutants):
    """The same mutants for the same seed, as long as they exist."""
    seed, files = os.environ.get("SEED") or "1", (os.environ.get("FILES") or "").split()
    chosen = []
    for crate in STAGES:
        asked = os.environ.get(crate.upper()) or "all"
        here = [it for it in mutants if it.crate == crate and (not files or it.file in files)]
        here.sort(key=lambda it: digest(f"{seed}:{it.key}".encode()))
        chosen += here if asked == "all" else here[: int(asked)]
    unknown = set(files) - {it.file for it in mutants}
    if unknown:
        fail(f"no mutant is in {' '.join(sorted(unknown))}", "give paths from the repository's top")
    return chosen


def check_baseline(crates):
    """Runs every stage on the unchanged tree: a suite that fails would catch everything. Returns
    for how many seconds each may run: a busy machine is no hanging test."""
    bounds = {}
    for crate in crates:
        for stage, packages, cargo, tests, seconds in STAGES[crate]:
            arguments = ["cargo", "test", "--release", "--quiet"]
            arguments += [f"--package={package}" for package in packages] + cargo
            run([*arguments, "--no-run"], stage, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            began = time.monotonic()
            answer = run([*arguments, "--", *tests], stage, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT)
            if answer.returncode != 0:
                text = answer.stdout.decode(errors="replace")[-3000:]
                fail(f"{crate}, {stage}: the suite fails without any mutant\n{text}",
                     "make the suites pass first")
            took = time.monotonic() - began
            bounds[crate, stage] = max(seconds, TIMES_AS_LONG * took)
            print(f"{crate}, {stage}: passes without a mutant, {took:.0f} s", flush=True)
    return bounds


def stopped(arguments, stage, seconds):
    """Runs a command for so long at most, its children included. Answers the exit code, or None."""
    child = subprocess.Popen(["nice", "-n", "19", *map(str, arguments)], env=environment(stage),
                             cwd=TREE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def plant(mutant, bounds):
    """Plants one mutant, stage by stage. Answers what became of it and which stage noticed it."""
    whole = (TREE / mutant.file).read_bytes()
    # The tool describes the mutant where the file's name belongs.
    diff = re.sub(r"^\+\+\+ .*$", f"+++ {mutant.file}", mutant.diff, count=1, flags=re.MULTILINE)
    # The copy is not to be taken for a part of the repository around it.
    outside = dict(environment(), GIT_CEILING_DIRECTORIES=str(WORK))
    applied = subprocess.run(["git", "apply", "-p0", "-"], input=diff.encode(), cwd=TREE,
                             env=outside, check=False, capture_output=True)
    if applied.returncode != 0 or (TREE / mutant.file).read_bytes() == whole:
        fail(f"cannot be planted: {mutant.name}", applied.stderr.decode()[-500:])
    try:
        for stage, packages, cargo, tests, _ in STAGES[mutant.crate]:
            arguments = ["cargo", "test", "--release", "--quiet"]
            arguments += [f"--package={package}" for package in packages] + cargo
            if stopped([*arguments, "--no-run"], stage, BUILD_SECONDS) != 0:
                return "unviable", stage
            code = stopped([*arguments, "--", *tests], stage, bounds[mutant.crate, stage])
            if code != 0:
                return ("timeout" if code is None else "caught"), stage
        return "missed", ""
    finally:
        (TREE / mutant.file).write_bytes(whole)


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    tree = copy_tree()
    mutants, reasons = listed(), equivalent()
    chosen = sample(mutants)
    left_out = [it for it in chosen if it.key in reasons]
    chosen = [it for it in chosen if it.key not in reasons]
    results = {}
    if RESULTS.is_file() and not os.environ.get("FRESH"):
        results = json.loads(RESULTS.read_text())
    hashes = {}
    for mutant in chosen:
        hashes[mutant.file] = hashes.get(mutant.file) or digest((TREE / mutant.file).read_bytes())

    def known(mutant):
        result = results.get(mutant.key)
        if result is None or result["file"] != hashes[mutant.file]:
            return None
        settled = result["outcome"] != "missed" or result["tree"] == tree
        return result if settled else None

    open_ones = [it for it in chosen if known(it) is None]
    print(f"{len(mutants)} mutants, {len(chosen)} in the sample, "
          f"{len(chosen) - len(open_ones)} of them known from earlier runs", flush=True)
    bounds = {}
    if open_ones:
        crates = {it.crate for it in open_ones}
        bounds = check_baseline([crate for crate in STAGES if crate in crates])
    for place, mutant in enumerate(open_ones, 1):
        began = time.monotonic()
        outcome, stage = plant(mutant, bounds)
        seconds = round(time.monotonic() - began, 1)
        results[mutant.key] = {"outcome": outcome, "stage": stage, "seconds": seconds,
                               "file": hashes[mutant.file], "tree": tree}
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        by = f" ({stage})" if outcome == "caught" else ""
        print(f"[{place}/{len(open_ones)}] {outcome}{by}, {seconds:.0f} s: {mutant.text()}",
              flush=True)
    sys.exit(report(chosen, left_out, reasons, results, mutants))


def report(chosen, left_out, reasons, results, mutants):
    """Prints the score and the survivors. Answers the exit code."""
    good = True
    print()
    for crate in STAGES:
        count = {name: 0 for name in ("caught", "missed", "timeout", "unviable")}
        for mutant in (it for it in chosen if it.crate == crate):
            count[results[mutant.key]["outcome"]] += 1
        # A mutant that hangs its test is noticed as well.
        noticed = count["caught"] + count["timeout"]
        viable = sum(count.values()) - count["unviable"]
        if viable == 0:
            continue
        score = 100 * noticed / viable
        good = good and score >= SCORE_MIN
        print(f"{crate}: {score:.1f} % of {viable} viable mutants are caught: "
              f"{count['caught']} caught, {count['timeout']} timed out, {count['missed']} missed; "
              f"{count['unviable']} do not compile")
    for mutant in left_out:
        print(f"equivalent: {mutant.text()}\n  {reasons[mutant.key]}")
    for key in sorted(set(reasons) - {it.key for it in mutants}):
        print(f"tests/mutants/equivalent.txt names no mutant any more: {key}")
    for mutant in chosen:
        if results[mutant.key]["outcome"] == "missed":
            print(f"SURVIVED {mutant.text()}")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("mutants: interrupted\n  hint: the same command goes on where it stopped")
