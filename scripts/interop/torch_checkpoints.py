"""Loads what Gradus saved into PyTorch: python torch_checkpoints.py FOLDER. Needs torch and safetensors.

FOLDER has NAME.safetensors and networks.json, {NAME: {input, output}}, both arrays as fixture.py writes them. Each is loaded with
load_state_dict(strict=True) into the network of scripts/fixtures/checkpoints.py of that name; prints the largest difference of
outputs beside their size, and fails where it is above 1e-5 of it. test/interop/torch.test.ts calls this."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from checkpoints import networks  # noqa: E402


def tensor(array):
    return torch.tensor(array["data"], dtype=getattr(torch, array["dtype"])).reshape(array["shape"])


def main(folder):
    torch.set_num_threads(1)
    given = json.loads((folder / "networks.json").read_text())
    known = {name: network for name, network, _ in networks()}
    failed = False
    for name, arrays in given.items():
        network = known[name].eval()
        network.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=True)
        with torch.no_grad():
            output = network(tensor(arrays["input"]))
        expected = tensor(arrays["output"])
        difference = (output - expected).abs().max().item() if output.shape == expected.shape else float("inf")
        size = expected.abs().max().item()
        good = difference <= 1e-5 * size
        failed |= not good
        print(f"{name:12} difference {difference:.1e} of {size:.2f} {'ok' if good else 'FAILED'}")
    sys.exit(failed)


main(Path(sys.argv[1]))
