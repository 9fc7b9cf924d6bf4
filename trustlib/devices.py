"""Where a network computes, and in which precision it does so fast."""

import torch

from trustlib import processes


def default() -> torch.device:
    """The GPU of this process, or "cuda" where there is one, else "cpu"."""
    if processes.launched() > 1:
        return torch.device(processes.device())
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself; elsewhere it is emulated, and slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Which of its private names torch offers depends on its version and on how it was built.
    instructions = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and torch.backends.mkldnn.is_available() and bool(instructions())
