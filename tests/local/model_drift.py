"""Compares the committed list of the service's operations with the newest published model.

The list (shared/aws/model/cognito-idp.json) holds every operation of Amazon Cognito's user pools
API and the members of a pool's settings, as of one version of botocore. A test classifies each of
them. This program fetches the newest botocore with pip into a temporary folder and prints what the
list does not have.

Exit codes: 0 all is known (nothing is printed), 2 something is unknown, 1 the model cannot be read.
"""

import argparse
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

KNOWN = pathlib.Path(__file__).parents[2] / "shared" / "aws" / "model" / "cognito-idp.json"
SERVICE = "botocore/data/cognito-idp/"
FETCH_SECONDS = 300


class Unreadable(Exception):
    """The newest model cannot be had or read; the text says why and ends in a hint."""


def fetch(folder):
    """Downloads the newest botocore. Answers the wheel's path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
               "--disable-pip-version-check", "--dest", folder, "botocore"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreadable(f"pip did not run to its end ({type(error).__name__}); "
                         "hint: check the network and that pip works") from error
    wheels = sorted(pathlib.Path(folder).glob("botocore-*.whl"))
    if done.returncode != 0 or not wheels:
        raise Unreadable("pip could not download botocore; hint: check the network, then run "
                         "`pip download --no-deps botocore` to see its own words")
    return wheels[-1]


def model_of(wheel):
    """The newest model of the service in a wheel, and its name."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist()
                 if name.startswith(SERVICE) and "/service-2.json" in name]
        if not names:
            raise Unreadable("the wheel holds no model of cognito-idp; hint: see how botocore "
                             "stores its models now")
        body = archive.read(max(names))
    if max(names).endswith(".gz"):
        body = gzip.decompress(body)
    version = (pathlib.Path(wheel).stem.split("-") + ["of an unknown version"])[1]
    return json.loads(body), version


def unknown(model, known):
    """Lines that name what the committed list does not have."""
    def members(shape):
        return set(model["shapes"][shape]["members"])

    try:
        parts = [
            ("operation", set(model["operations"]), known["operations"]),
            ("member of UpdateUserPool", members("UpdateUserPoolRequest"),
             known["update_user_pool"]),
            ("member of DescribeUserPool", members("UserPoolType"), known["user_pool"]),
        ]
    except KeyError as error:
        raise Unreadable(f"the model or the committed list has no part {error}; hint: see how "
                         "botocore writes its models now") from error
    return [f"unknown {what}: {name}"
            for what, newest, listed in parts for name in sorted(newest - set(listed))]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", help="compare with this wheel instead of the newest")
    wheel = parser.parse_args(arguments).wheel
    try:
        known = json.loads(KNOWN.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            model, version = model_of(wheel or fetch(folder))
            found = unknown(model, known)
    except Unreadable as error:
        print(f"model-drift: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        print(f"model-drift: {error}; hint: give --wheel a botocore wheel, or leave it out",
              file=sys.stderr)
        return 1
    if not found:
        return 0
    print("\n".join(found))
    print(f"model-drift: botocore {version} has more than {known['model']}; hint: put it into "
          "shared/aws/model/cognito-idp.json and classify it in "
          "shared/config/src/operations/table.rs or cognito/settings/member.rs", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
