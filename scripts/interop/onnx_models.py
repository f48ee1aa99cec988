"""Checks and runs what Gradus exported: python onnx_models.py FOLDER. Needs onnx, onnxruntime and numpy.

FOLDER has NAME.onnx and cases.json, [{name, within, runs: [{inputs: [...], outputs: [...]}]}], arrays as fixture.py writes them.
Each model goes through onnx.checker (full_check) and then through onnxruntime at each run, whose batch sizes differ; prints the largest
difference relative to the size of the output, and fails where it is above `within`. test/interop/onnx.test.ts calls this."""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def array(value):
    return np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])


def main(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    failed = False
    for case in json.loads((folder / "cases.json").read_text()):
        path, worst = folder / f"{case['name']}.onnx", 0.0
        try:
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            # A second pass infers shapes strictly and compares them with those the file declares.
            onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            for run in case["runs"]:
                feeds = {meta.name: array(x) for meta, x in zip(session.get_inputs(), run["inputs"])}
                for got, wanted in zip(session.run(None, feeds), map(array, run["outputs"]), strict=True):
                    if got.shape != wanted.shape or got.dtype != wanted.dtype:
                        raise ValueError(f"{got.dtype}{got.shape} instead of {wanted.dtype}{wanted.shape}")
                    if got.size:
                        difference = np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max()
                        worst = max(worst, difference / max(1.0, np.abs(wanted.astype(np.float64)).max()))
            good, text = worst <= case["within"], f"{worst:.1e}"
        except Exception as error:
            good, text = False, str(error).replace("\n", " ")[:600]
        failed |= not good
        operators = sorted({node.op_type for node in onnx.load(path).graph.node})
        print(f"{'ok    ' if good else 'FAILED'} {case['name']}: {text} ({', '.join(operators)})")
    sys.exit(failed)


main(Path(sys.argv[1]))
