"""Runs `go test -json` and prints what `go test` would, with the output of failed tests, and says which tests were skipped and why.

usage: gotest.py SKIPPED_FILE GO_TEST_ARGUMENT...

The exit status is that of go test. SKIPPED_FILE receives a line for each skipped test.
"""

import json
import subprocess
import sys


def main() -> int:
    skipped_file, arguments = sys.argv[1], sys.argv[2:]
    output = {}  # (package, test) -> what it printed
    failed = set()
    skipped = []
    passed = 0
    command = subprocess.Popen(["go", "test", "-json", *arguments], stdout=subprocess.PIPE, text=True)
    for line in command.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="", flush=True)  # not of the test's: the go command itself speaks
            continue
        package, test, action = event.get("Package") or event.get("ImportPath"), event.get("Test"), event["Action"]
        key = (package, test)
        if action in ("output", "build-output"):
            if test is None:
                if not event["Output"].startswith(("PASS", "=== ", "coverage: ")):
                    print(event["Output"], end="", flush=True)  # the closing line, a panic, a race, a build that failed
            else:
                output.setdefault(key, []).append(event["Output"])
        elif action == "fail" and test is not None:
            failed.add(key)
            print("".join(output.pop(key, [])), end="", flush=True)
        elif action == "skip" and test is not None:
            reason = " ".join("".join(output.pop(key, [])).replace("=== RUN", "").split())
            skipped.append(f"{package}: {reason}")
        elif action == "pass" and test is not None:
            output.pop(key, None)
            passed += 1
    status = command.wait()
    for key, text in output.items():  # tests that neither passed nor failed: the process was ended
        print("".join(text), end="")
    with open(skipped_file, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in skipped)
    print(f"{passed} tests and subtests passed, {len(failed)} failed, {len(skipped)} skipped")
    return status


if __name__ == "__main__":
    sys.exit(main())
