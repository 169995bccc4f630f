"""The AWS CLI (v1) as a program that stays: reads a command's arguments as a line of JSON, answers with how it ended.

Run as ``python aws_cli.py`` with AWS's own variables set. Starting the CLI anew for each of a hundred commands would
take most of their time.
"""

import contextlib
import io
import json
import sys

from awscli.clidriver import create_clidriver


def main() -> None:
    """The names of Lambda's operations that the CLI has; then, until standard input ends, one command a line and for
    each ``{"code": 0, "output": "...", "errors": "..."}``.
    """
    driver = create_clidriver()
    sys.stdout.write(json.dumps(driver.session.get_service_model("lambda").operation_names) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                code = driver.main(json.loads(line))
            except SystemExit as error:
                code = error.code
        answer = {"code": code, "output": output.getvalue(), "errors": errors.getvalue()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
