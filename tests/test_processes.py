"""Several processes find what one finds: the same weights, answers and explanations, each computed once."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import two_processes
from torch import nn

from trustlib import asking, data_parallel, explain, finetune, processes, weights
from trustlib.errors import ModelError


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folder, and what each of two processes told."""
    folder = tmp_path_factory.mktemp("both")
    two_processes.stopped(folder, folder / "from one", after=2)
    two_processes.launch(Path(two_processes.__file__), folder)
    return folder, [json.loads((folder / f"process-{i}" / "told.json").read_text()) for i in (0, 1)]


def furthest(model, stored):
    """Largest difference between a network's state and a stored one's."""
    there = np.load(stored)
    return max(float(np.abs(t.numpy() - there[n]).max()) for n, t in tiny.state(model).items())


def same_curves(history, told, *, atol):
    for name in ("train_loss", "validation_loss"):
        assert np.allclose(getattr(history, name), told[name], atol=atol)
    assert history.validation_accuracy.tolist() == told["validation_accuracy"]


# Training


@pytest.mark.parametrize("name", two_processes.TRAINED)
def test_two_processes_with_half_a_batch_each_train_as_one_does(name, both, tmp_path):
    folder, (told, other) = both
    assert told["n"] == other["n"] == 2
    assert told["trained"][name] == other["trained"][name]  # to the last bit
    made, history = two_processes.trained(name, tmp_path)
    same_curves(history, told["trained"][name], atol={"adamw": 0.02, "bfloat16": 0.02}.get(name, 1e-5))
    assert history.kept_features == told["trained"][name]["kept"] == name.startswith(("kept", "a text"))
    if name not in ("adamw", "bfloat16"):
        start = two_processes.classifier(two_processes.TRAINED[name][0], tmp_path)
        stored = folder / f"{name}.npz"
        assert furthest(made.model, stored) < 2e-5 < 1e-3 < furthest(start.model, stored)


def test_a_run_goes_on_from_one_process_to_two_and_from_two_to_one(both, tmp_path, monkeypatch):
    folder, (told, other) = both
    batches, asked = finetune.batches, []
    monkeypatch.setattr(finetune, "batches", lambda *given: asked.append(0) or batches(*given))
    whole, history = two_processes.resumed(tmp_path, None)
    assert len(history.train_loss) == 4 and len(asked) == 1 + 4  # the first one counts the batches
    assert told["resumed"] == other["resumed"]
    same_curves(history, told["resumed"], atol=1e-5)
    assert furthest(whole.model, folder / "resumed.npz") < 2e-5
    made, again = two_processes.resumed(tmp_path, folder / "from two")
    same_curves(again, told["resumed"], atol=1e-5)
    assert furthest(made.model, folder / "resumed.npz") < 2e-5
    assert len(asked) == 5 + 1 + 2  # two epochs of four


def test_what_each_process_built_at_random_starts_as_the_main_one_s(both):
    """The second built another network; both train the first one's, which the curves of one process show."""
    folder, (told, other) = both
    assert told["own_start"] == other["own_start"] == told["trained"]["batch norm"]


def test_a_classifier_that_all_save_is_written_once_and_whole(both):
    folder, (told, _) = both
    saved = two_processes.TextClassifier.load(folder / "saved")
    assert weights.digest(saved.model) == told["saved"] == both[1][1]["saved"]


def test_processes_with_different_recipes_refuse_to_train_together(both):
    for told in both[1]:
        assert told["with_own_seed"].startswith(
            "ModelError: expected the same recipe in all processes, got another seed: let no process"
        )


def test_the_course_s_model_is_trained_by_all_and_written_once(both, monkeypatch, tmp_path):
    folder, (told, other) = both
    assert told["course"] == other["course"]
    monkeypatch.setenv("TRUSTLIB_CACHE", "")
    (tmp_path / "cache").symlink_to(folder / "cache")
    written = sorted((folder / "cache" / "models").rglob("history.json"))
    digest, losses = two_processes.course_model(tmp_path)  # read, not made
    assert [digest, losses] == told["course"] and len(written) == 1
    assert sorted((folder / "cache" / "models").rglob("history.json")) == written


# Answers


@pytest.fixture(scope="module")
def by_one(tmp_path_factory):
    return two_processes.answered(tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize("name", ["predict", "noise", "texts", "one explanation", "many explanations"])
def test_two_processes_find_what_one_finds_and_ask_each_input_once(name, both, by_one):
    _, (told, other) = both
    found, asked = by_one
    assert told["answered"][name] == other["answered"][name]
    assert np.allclose(found[name], told["answered"][name], atol=1e-6)
    halves = [process["n_answered"][name] for process in both[1]]
    assert sum(halves) == asked[name]  # no input is asked twice to fill up the last round
    assert min(halves) > 0.25 * asked[name]


def test_what_fails_in_one_process_fails_in_all(both):
    for told in both[1]:
        assert told["wrong_in_one"] == "ValueError: this one alone"


def test_an_error_that_cannot_be_sent_arrives_in_words(both):
    for told in both[1]:
        assert told["unsendable"] == "RuntimeError: Unsendable: asked in vain"


def test_alone_each_process_does_what_it_likes(both):
    for told in both[1]:
        assert told["by_itself"] == [1, two_processes.by_itself(both[0])[1]]


# One process


def test_one_process_loads_no_accelerate():
    program = (
        "from trustlib import processes; processes.share(str, [1]); import sys; print('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_share_takes_an_iterator_item_by_item_and_lets_errors_through():
    order = []

    def items():
        for i in range(3):
            order.append(f"made {i}")
            yield i

    assert processes.share(lambda i: order.append(f"done {i}") or 2 * i, items()) == [0, 2, 4]
    assert order == ["made 0", "done 0", "made 1", "done 1", "made 2", "done 2"]
    with pytest.raises(ZeroDivisionError):
        processes.share(lambda i: 1 / i, [1, 0])
    assert processes.share(str, []) == []


# As if among several: the environment says so, and gather is replaced


@pytest.fixture
def second_of_three(monkeypatch):
    """This process is the second of three; the others' results are those that `others` holds."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setattr(processes, "_state", lambda: type("State", (), {"process_index": 1}))
    others = {}

    def gather(own):
        return [others.get(0, ([], None)), own, others.get(2, ([], None))]

    monkeypatch.setattr(processes, "gather", gather)
    return others


def test_items_are_dealt_out_in_turn_and_come_back_in_their_order(second_of_three):
    done = []
    second_of_three.update({0: (["A", "D", "G"], None), 2: (["C", "F"], None)})
    found = processes.share(lambda letter: done.append(letter) or letter.upper(), "abcdefg")
    assert found == list("ABCDEFG") and done == ["b", "e"]


def test_work_inside_share_is_alone_and_the_next_is_not(second_of_three):
    second_of_three.update({0: ([3], None), 2: ([3], None)})
    assert processes.share(lambda _: processes.count(), [0, 1, 2]) == [3, 1, 3]
    assert (processes.count(), processes.index()) == (3, 1)
    with processes.alone():
        assert (processes.count(), processes.index(), processes.launched()) == (1, 0, 3)
        assert processes.share(str, [1, 2]) == ["1", "2"]


def test_a_sample_s_share_is_its_weight_in_the_mean(second_of_three):
    chosen = np.array([5, 0, 3, 1])
    mine, share = data_parallel.part(chosen)
    assert (mine.tolist(), share) == ([0], 0.25)
    mine, share = data_parallel.part(chosen, np.array([2.0, 1.0, 0.0, 3.0, 0.0, 4.0]))
    assert (mine.tolist(), share) == ([0], 0.2)
    mine, share = data_parallel.part(np.array([7]))  # none is left for the second
    assert (mine.tolist(), share) == ([7], 0.0)


def test_answers_of_different_widths_from_two_processes_are_refused(second_of_three):
    second_of_three[0] = ([np.full((1, 3), 1 / 3)], None)
    with pytest.raises(ModelError, match="expected answers with one number of classes, got several"):
        asking.ask(lambda rows: [[0.5, 0.5]] * len(rows), [[0], [1]])


def test_explanations_are_made_in_rounds_of_one_each(second_of_three):
    made = []

    def explained(predict_proba, text, seed):
        made.append((text, seed))
        return text

    second_of_three.update({0: (["a"], None), 2: (["c"], None)})
    found = explain.each(explained, None, ["a", "b", "c"], seed=4)
    assert list(found) == ["a", "b", "c"] and made == [("b", 5)]


# Batch norm over all processes, against torch's own over the whole batch


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("shape", [(5, 3, 2, 2), (5, 3)])
def test_batch_norm_is_that_of_the_whole_batch(momentum, shape, monkeypatch, second_of_three):
    """One process of three holds all samples, the sums of the others are 0: torch's layer must agree."""
    monkeypatch.setattr(data_parallel, "_sum", lambda tensor: tensor.clone())
    layer_type = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    generator = torch.Generator().manual_seed(0)
    x = 1000 + torch.randn(shape, generator=generator)  # far from zero, where squares would cancel
    outputs = []
    for shared in (False, True):
        layer = layer_type(3, momentum=momentum)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
            layer.bias.copy_(torch.tensor([0.5, 0.0, 3.0]))
        own = x.clone().requires_grad_()
        model = nn.Sequential(layer)
        if shared:
            with data_parallel.whole_batch_norm(model):
                model(own)
                answer = model(own)
        else:
            model(own)
            answer = model(own)
        (answer**3).sum().backward()
        outputs.append([answer, own.grad, layer.weight.grad, layer.bias.grad, *tiny.state(layer).values()])
        layer.eval()
        assert torch.equal(model(x), layer_type.forward(layer, x)) and "forward" not in vars(layer)
    for ours, torchs in zip(*outputs, strict=True):
        assert torch.allclose(ours.float(), torchs.float(), rtol=2e-3, atol=2e-3)


def test_a_process_without_a_sample_of_its_own_counts_for_nothing_in_batch_norm(monkeypatch, second_of_three):
    """Where a batch has fewer samples than processes, some compute with a copy, and must not be seen."""
    x, sums = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)), []

    def run(samples, counts, others):
        layer, given = nn.BatchNorm2d(3), samples.clone().requires_grad_()
        left = iter(others)
        monkeypatch.setattr(
            data_parallel, "_sum", lambda t: sums.append(t.clone()) or t + next(left, torch.zeros_like(t))
        )
        with data_parallel.whole_batch_norm(nn.Sequential(layer)) as norms:
            norms.counts = counts
            answer = layer(given)
        ((answer**3).sum() * counts).backward()
        return layer, answer, given.grad

    alone, answer, _ = run(x, True, [])
    layer, copied, gradient = run(x[:1], False, list(sums))
    assert torch.equal(layer.running_mean, alone.running_mean)
    assert torch.equal(layer.running_var, alone.running_var)
    assert torch.allclose(copied, answer[:1])
    assert not gradient.any() and not layer.weight.grad.any() and not layer.bias.grad.any()
    with torch.no_grad():
        assert torch.equal(sums[2], torch.zeros(7, dtype=torch.float64))  # of seven sums none is its own
