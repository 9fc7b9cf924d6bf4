"""Changes that keep the label move pixels about and change none of them."""

import torch

from trustlib import augment

PICTURE = torch.arange(3 * 4 * 4, dtype=torch.float32).view(3, 4, 4)


def versions(change, n=200):
    """Different pictures among n draws, and how often each came."""
    seen = {}
    for seed in range(n):
        changed = change(PICTURE, torch.Generator().manual_seed(seed))
        key = tuple(changed.flatten().tolist())
        seen[key] = seen.get(key, 0) + 1
    return seen


def test_mirror_swaps_left_and_right_in_half_of_the_cases():
    seen = versions(augment.mirror)
    both = {tuple(PICTURE.flatten().tolist()), tuple(PICTURE[:, :, [3, 2, 1, 0]].flatten().tolist())}
    assert seen.keys() == both
    assert all(70 < times < 130 for times in seen.values())  # 100 expected, deviation 7


def test_square_gives_each_of_the_eight_symmetries_equally_often():
    seen = versions(augment.square, 800)
    turned, eight = PICTURE, set()
    for _ in range(4):
        turned = turned.transpose(1, 2).flip(1)  # a quarter turn
        eight |= {tuple(turned.flatten().tolist()), tuple(turned.flip(2).flatten().tolist())}
    assert len(eight) == 8 and seen.keys() == eight
    assert all(60 < times < 140 for times in seen.values())  # 100 expected, deviation 9


def test_the_generator_alone_decides():
    for change in (augment.mirror, augment.square):
        torch.manual_seed(0)
        first = [change(PICTURE, torch.Generator().manual_seed(i)) for i in range(9)]
        torch.manual_seed(1)
        again = [change(PICTURE, torch.Generator().manual_seed(i)) for i in range(9)]
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_picture_itself_stays_as_it_was():
    before = PICTURE.clone()
    for seed in range(8):
        augment.square(PICTURE, torch.Generator().manual_seed(seed))
        augment.mirror(PICTURE, torch.Generator().manual_seed(seed))
    assert torch.equal(PICTURE, before)
