"""What schemathesis makes of `/openapi.json`: no 500, no hang, and answers as the document says.

Proof: BLOCKS_SCHEMATHESIS names the program, in an environment of its own; BLOCKS_CASES is how many cases at least.
"""

import os
import re
import shutil
import subprocess

import pytest

from tests.serving.conftest import Served

PROGRAM = os.environ.get("BLOCKS_SCHEMATHESIS") or shutil.which("schemathesis")
CASES = int(os.environ.get("BLOCKS_CASES", "1000"))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection"
)
"""Not that all valid data is taken: JSON Schema calls 1.0 a whole number, TensorFlow Serving does not, and a tensor's
shape must agree with its data. Not the methods that paths do not take: test_methods_of_paths.py has them."""


@pytest.mark.proof
@pytest.mark.skipif(PROGRAM is None, reason="there is no schemathesis: BLOCKS_SCHEMATHESIS names its program")
@pytest.mark.parametrize(("paths", "examples"), [("^(?!.*/infer$)", CASES // 2), ("/infer$", CASES // 40)])
def test_cases_of_the_document(mixed_export, tmp_path, paths, examples):
    """Two paths take rows; tensors, of which schemathesis makes few in a second, are asked for apart."""
    server = Served(mixed_export.parent, "--name", "income")
    command = [
        PROGRAM, "run", f"{server.url}/openapi.json", "-n", str(examples), "--include-path-regex", paths,
        "--checks", CHECKS, "--no-color", "--phases", "examples,coverage,fuzzing",
        "--continue-on-failure", "--request-timeout", "30", "--suppress-health-check", "all", "--seed", "1",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert server.get("/health/ready")[0] == 200
    finally:
        said = server.stop().decode()
    print(done.stdout[-3000:])
    assert done.returncode == 0
    assert "request failed" not in said
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) >= examples
