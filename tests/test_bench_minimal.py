import bench_rows
import numpy as np
import pytest
import torch
from test_minimal import exact, linear

from trustlib import estimates, minimal, tasks
from trustlib.course import models

pytestmark = pytest.mark.bench

PICTURES = 64
HELD = (
    "the course's ResNet-50 (last block fine-tuned, 112 px), the first 64 validation pictures, "
    "the model's own answers, pixels in [0, 1], one thread"
)


@pytest.fixture(scope="module")
def foolbox():
    return pytest.importorskip("foolbox", reason="the peer is missing; run: pip install 'trustlib[dev]'")


@pytest.fixture(scope="module")
def case(foolbox):
    """The classifier, encoded pictures, and the same network as foolbox takes it."""
    classifier = models.cell_inspector("last_block")[0]
    split = tasks.solar_cells().validation
    pictures = classifier.encode([split.inputs[i] for i in range(PICTURES)])

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = classifier.model  # so that foolbox sees its device and mode

        def forward(self, pixels):
            return classifier.logits_from(pixels)

    with torch.inference_mode():
        answers = torch.cat([classifier.logits_from(part).argmax(1) for part in pictures.split(32)])
    return classifier, pictures, foolbox.PyTorchModel(Network().eval(), bounds=(0, 1)), answers.clone()


def compare(case, ours, attack, what, held, *, turns):
    """Rows of norms and seconds: our attack and foolbox's in turn, the pictures of `turns` each time."""
    classifier, pictures, network, answers = case
    n = PICTURES // len(pictures[turns[-1]])  # the last turns, which hold every picture once
    kept = {"ours": [], "peer": []}

    def run_ours():
        kept["ours"].append(ours(classifier, pictures[turns[len(kept["ours"])]]))

    def run_peer():
        at = turns[len(kept["peer"])]
        kept["peer"].append(attack(network, pictures[at], answers[at].clone(), epsilons=None))

    seconds = bench_rows.in_turn(run_ours, run_peer, repeats=len(turns) - 1)
    found, peer = kept["ours"][-n:], kept["peer"][-n:]
    np.testing.assert_array_equal(np.concatenate([each.answers for each in found]), answers)
    assert all(each.success.all() for each in found)
    assert all(success.all() for _, _, success in peer)
    norm = np.concatenate([each.norm for each in found])
    perturbed = torch.cat([perturbed for perturbed, _, _ in peer])
    peer = (perturbed.double() - pictures.double()).flatten(1).norm(dim=1).numpy()
    ratio = estimates.bootstrap(lambda ratios: float(np.median(ratios)), norm / peer)
    norms = bench_rows.record(
        f"{what}: median L2 norm",
        unit="L2",
        ours=np.median(norm),
        peer=np.median(peer),
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        held_equal=f"{HELD}; {held}",
        packages=("foolbox", "torchvision"),
        spread="median of paired ratios, 95 % interval",
    )
    assert norms["ours"] <= norms["peer"]
    row = bench_rows.record_seconds(
        f"{what}: seconds", *seconds, held_equal=f"{HELD}; {held}", packages=("foolbox", "torchvision")
    )
    assert row["ratio"] <= 1
    return norms, row


def test_deepfool_finds_smaller_perturbations_in_no_more_time(foolbox, case):
    attack = foolbox.attacks.L2DeepFoolAttack(steps=50, overshoot=0.02)
    held = "each with its own defaults: ours up to 5 steps, foolbox's up to 50 and an overshoot of 0.02"
    turns = [slice(0, 2), *[slice(0, PICTURES)] * 3]  # a warm-up, and all pictures three times
    compare(case, minimal.deepfool, attack, "DeepFool, ours / foolbox", held, turns=turns)


@pytest.mark.parametrize("radius", [1.0, 0.2])
def test_ddn_finds_smaller_perturbations_in_no_more_time(foolbox, case, radius):
    attack = foolbox.attacks.DDNAttack(init_epsilon=radius, steps=100)
    held = f"ours 40 steps from its own radius, foolbox's 100 from {radius}, in turns of 16 pictures"
    turns = [slice(0, 2), *(slice(i, i + 16) for i in range(0, PICTURES, 16))]
    compare(case, minimal.ddn, attack, f"DDN from {radius}, ours / foolbox", held, turns=turns)


@pytest.mark.parametrize("attack", [minimal.deepfool, minimal.ddn])
def test_norms_on_linear_models_beside_the_exact_ones(attack):
    ratios, passes = [], 0
    for d, k in ((2, 2), (20, 3), (100, 10), (1000, 2), (1000, 20)):
        for margin in (None, 1e-9, 1e-4, 1e3):
            model, inputs = linear(d, k, seed=d + k, n=20, margin=margin)
            found = attack(model, inputs)
            assert found.success.all()
            ratios.append(found.norm / exact(model, inputs))
            passes = max(passes, found.n_forward.max())
    ratios = np.concatenate(ratios)
    row = bench_rows.record(
        f"{attack.__name__} on linear models: found / exact norm, median",
        unit="exact norms",
        ours=np.median(ratios),
        peer=1.0,
        ratio=np.median(ratios),
        low=ratios.min(),
        high=ratios.max(),
        held_equal=f"{len(ratios)} inputs of 20 models in float64, 2 to 1,000 dimensions, 2 to 20 classes, "
        f"margins from 1e-9 to 1e3, no box; at most {passes} forward passes an input",
        spread="least and largest",
    )
    assert row["ratio"] <= (1.001 if attack is minimal.deepfool else 1.1)
