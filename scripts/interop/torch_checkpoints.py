"""Loads what Gradus saved into PyTorch, trains it there, and gives it back: python torch_checkpoints.py FOLDER. Needs torch and safetensors.

FOLDER has NAME.safetensors and networks.json, {NAME: {input, output}}, both arrays as fixture.py writes them. Each is loaded with
load_state_dict(strict=True) into the network of scripts/fixtures/checkpoints.py of that name; prints the largest difference of
outputs beside their size, and fails where it is above 1e-5 of it. After three steps of gradient descent, in training mode, it is saved
as FOLDER/back/NAME.safetensors, with back/networks.json as checkpoints.py has it. test/interop/torch.test.ts calls this."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))

import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from checkpoints import networks  # noqa: E402
from fixture import array  # noqa: E402


def tensor(array):
    return torch.tensor(array["data"], dtype=getattr(torch, array["dtype"])).reshape(array["shape"])


def train(network, x):
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
    network.eval()


def main(folder):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    given = json.loads((folder / "networks.json").read_text())
    known = {name: network for name, network, _ in networks()}
    failed, back = False, []
    (folder / "back").mkdir()
    for name, arrays in given.items():
        network, x = known[name].eval(), tensor(arrays["input"])
        network.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=True)
        with torch.no_grad():
            output = network(x)
        expected = tensor(arrays["output"])
        difference = (output - expected).abs().max().item() if output.shape == expected.shape else float("inf")
        size = expected.abs().max().item()
        good = difference <= 1e-5 * size
        failed |= not good
        print(f"{name:12} difference {difference:.1e} of {size:.2f} {'ok' if good else 'FAILED'}")
        train(network, x)
        with torch.no_grad():
            trained = network(x)
        if torch.equal(trained, output):
            raise ValueError(f"{name} was not trained")
        save_file(network.state_dict(), folder / "back" / f"{name}.safetensors")
        back.append({"name": name, "network": name, "input": arrays["input"], "output": {**array(trained), "data": trained.flatten().tolist()}})
    (folder / "back" / "networks.json").write_text(json.dumps({"cases": back}))
    sys.exit(failed)


main(Path(sys.argv[1]))
