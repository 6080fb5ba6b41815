"""What model_drift.py finds in a model, and how it answers. Needs no network."""

import contextlib
import gzip
import io
import json
import pathlib
import tempfile
import unittest
import zipfile

import model_drift

KNOWN = json.loads(model_drift.KNOWN.read_text(encoding="utf-8"))
OLDER = model_drift.SERVICE + "2016-04-18/service-2.json.gz"
NEWER = model_drift.SERVICE + "2027-01-01/service-2.json.gz"


def model(operations=(), update=(), pool=()):
    """The model that the committed list describes, and additional members."""
    def members(listed, more):
        return {"members": {name: {} for name in [*listed, *more]}}

    return {
        "operations": {name: {} for name in [*KNOWN["operations"], *operations]},
        "shapes": {
            "UpdateUserPoolRequest": members(KNOWN["update_user_pool"], update),
            "UserPoolType": members(KNOWN["user_pool"], pool),
        },
    }


class Drift(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_with(self, files):
        """Runs the program on a wheel of these files. Answers its exit code and both outputs."""
        wheel = self.folder / "botocore-9.8.7-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, body in files.items():
                archive.writestr(name, gzip.compress(json.dumps(body).encode()))
        return self.run_wheel(wheel)

    def run_wheel(self, wheel):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = model_drift.main(["--wheel", str(wheel)])
        return code, out.getvalue(), err.getvalue()

    def test_model_that_the_list_describes_prints_nothing(self):
        self.assertEqual(self.run_with({OLDER: model()}), (0, "", ""))

    def test_each_unknown_thing_is_named_and_the_hint_says_where_it_goes(self):
        newest = model(["MakeCoffee"], ["CoffeeConfiguration"], ["CoffeeState"])
        code, out, err = self.run_with({OLDER: newest})
        self.assertEqual(code, 2)
        self.assertEqual(out.splitlines(), [
            "unknown operation: MakeCoffee",
            "unknown member of UpdateUserPool: CoffeeConfiguration",
            "unknown member of DescribeUserPool: CoffeeState",
        ])
        self.assertIn("botocore 9.8.7", err)
        self.assertIn("hint: put it into shared/aws/model/cognito-idp.json", err)

    def test_operation_that_the_service_no_longer_has_is_no_drift(self):
        fewer = model()
        del fewer["operations"]["SignUp"]
        self.assertEqual(self.run_with({OLDER: fewer})[0], 0)

    def test_newest_of_several_models_counts(self):
        code, out, _ = self.run_with({OLDER: model(), NEWER: model(["MakeTea"])})
        self.assertEqual((code, out), (2, "unknown operation: MakeTea\n"))

    def test_what_cannot_be_read_is_an_error_with_a_hint(self):
        text = self.folder / "text"
        text.write_text("no wheel", encoding="utf-8")
        answers = [
            self.run_with({"botocore/data/sqs/2012-11-05/service-2.json.gz": {}}),
            self.run_with({OLDER: {"operations": {}}}),
            self.run_wheel(self.folder / "missing.whl"),
            self.run_wheel(text),
        ]
        for code, out, err in answers:
            self.assertEqual((code, out), (1, ""))
            self.assertRegex(err, "^model-drift: .+; hint: ")


if __name__ == "__main__":
    unittest.main()
