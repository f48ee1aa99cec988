"""Writes the tests of operators that the onnx package brings, for test/interop/onnx-nodes.test.ts: python onnx_node_tests.py FOLDER.

With --fixture it writes test/fixtures/onnx/nodes.json.gz instead: the three smallest cases of each operator, as
[{name, rtol, atol, model, data}], files in base64, for test/io/onnx-nodes.test.ts. The cases are ONNX's (Apache-2.0).

For each case NAME.onnx, and NAME.data.onnx whose initializers are the inputs (input_0, ...) and outputs (output_0, ...) of its first
data set; cases.json has names and tolerances. What holds sequences, optionals or strings is left out."""
import base64
import gzip
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def all_cases():
    """(name, rtol, atol, model, data), the last two as bytes."""
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        if case.model is None or not case.data_sets:
            continue
        inputs, outputs = case.data_sets[0]
        arrays = [("input", inputs), ("output", outputs)]
        if any(not isinstance(a, (np.ndarray, np.generic)) or a.dtype.kind not in "fiub" for _, values in arrays for a in values):
            continue
        tensors = [numpy_helper.from_array(np.asarray(a), f"{kind}_{i}") for kind, values in arrays for i, a in enumerate(values)]
        data = helper.make_model(helper.make_graph([], "data", [], [], initializer=tensors))
        yield case, case.model.SerializeToString(), data.SerializeToString()


def write_folder(folder):
    cases = []
    for case, model, data in all_cases():
        (folder / f"{case.name}.onnx").write_bytes(model)
        (folder / f"{case.name}.data.onnx").write_bytes(data)
        cases.append({"name": case.name, "rtol": case.rtol, "atol": case.atol})
    (folder / "cases.json").write_text(json.dumps(cases))
    print(len(cases), "cases of onnx", onnx.__version__)


def write_fixture(path):
    by_operator = {}
    for case, model, data in all_cases():
        nodes = case.model.graph.node
        if len(nodes) == 1 and len(model) + len(data) < 4000:
            by_operator.setdefault(nodes[0].domain + nodes[0].op_type, []).append((len(model) + len(data), case.name, case, model, data))
    chosen = [one for cases in by_operator.values() for one in sorted(cases, key=lambda c: c[:2])[:3]]
    text = [{"name": case.name, "rtol": case.rtol, "atol": case.atol, "model": base64.b64encode(model).decode(), "data": base64.b64encode(data).decode()} for _, _, case, model, data in sorted(chosen, key=lambda c: c[1])]
    path.write_bytes(gzip.compress(json.dumps(text).encode(), mtime=0))
    print(len(text), "cases", path.stat().st_size, "bytes")


if sys.argv[1] == "--fixture":
    write_fixture(Path(__file__).resolve().parents[2] / "test" / "fixtures" / "onnx" / "nodes.json.gz")
else:
    write_folder(Path(sys.argv[1]))
