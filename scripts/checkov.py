"""Runs checkov over the template. Every finding is a failure, and so is a check that is skipped without a written reason.

usage: checkov.py PATH_OF_CHECKOV TEMPLATE
"""

import json
import os
import subprocess
import sys

# It ends with 0 or, when it found something, with 1. Anything else is a failure of checkov's own, whatever it printed before.
ENDS = (0, 1)

# Checks that pass on the template. Far fewer mean that it was read in part; raise or lower it when resources come or go.
LEAST = 40


def main() -> int:
    program, template = sys.argv[1:]
    run = subprocess.run(
        [program, "--file", template, "--framework", "cloudformation", "--skip-download", "--output", "json"],
        stdout=subprocess.PIPE, text=True, timeout=300,
        env={**os.environ, "CHECKOV_DISABLE_GUIDES": "1", "LOG_LEVEL": "ERROR", "PYTHONDONTWRITEBYTECODE": "1"},  # it runs once
    )
    try:
        report = json.loads(run.stdout)
        results, parsing_errors = report["results"], report["summary"]["parsing_errors"]
    except (ValueError, KeyError, TypeError):
        print(run.stdout, f"checkov: no report (status {run.returncode})", sep="\n")
        return 1
    if run.returncode not in ENDS:
        print(f"checkov: it ended with status {run.returncode}")
        return 1
    wrong = [f"{c['check_id']} {c['resource']}: {c['check_name']}" for c in results["failed_checks"]]
    for check in results["skipped_checks"]:
        reason = check["check_result"].get("suppress_comment", "")
        if len(reason.split()) < 4 or reason.startswith("No comment provided"):
            wrong.append(f"{check['check_id']} {check['resource']}: skipped without a reason")
        else:
            print(f"skipped {check['check_id']} {check['resource']}: {reason}")
    if parsing_errors or len(results["passed_checks"]) < LEAST:
        wrong.append(f"the template was not read in full: {len(results['passed_checks'])} checks passed, at least {LEAST} should")
    for line in wrong:
        print("checkov:", line)
    print(f"{len(results['passed_checks'])} passed, {len(results['skipped_checks'])} skipped with a reason, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
