"""What all tests share: no network, no bars, no windows, one sort of result on any machine."""

from __future__ import annotations

import os
import socket

import pytest

# Set before anything is imported, because matplotlib and huggingface_hub read them once.
os.environ["MPLBACKEND"] = "agg"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRUSTLIB_PROGRESS"] = "0"
os.environ["TRUSTLIB_PROFILE"] = "lite"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that reaches for another machine fails, rather than passing only where there is a network."""
    connect = socket.socket.connect

    def connect_here(self, address):
        # Kernels and workers talk over this machine's own addresses; a path is a Unix socket.
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test tried to reach {address[0]}; tests must not need a network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
