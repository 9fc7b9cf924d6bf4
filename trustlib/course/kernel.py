"""One notebook, executed top to bottom in one clean kernel of this interpreter.

Clean means: no kernelspec, start-up file or history of the user is read, nothing is fetched from a
hub, and whatever the kernel started is gone when it ends. nbclient does the talking; it runs in a
thread, so that Ctrl-C reaches us and never it, and so that memory can be watched meanwhile.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets import default

SAMPLE_SECONDS = 0.2
STARTUP_SECONDS = 120
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Failure:
    """Where a notebook stopped: `cell` counts code cells from 1, as `[3]` beside a cell does."""

    cell: int
    first_line: str
    error: str

    def __str__(self) -> str:
        if not self.cell:
            return f"before the first cell: {self.error}"
        return f"cell [{self.cell}] `{self.first_line}`: {self.error}"


@dataclass(frozen=True, eq=False)
class Execution:
    """An executed notebook; `peak_bytes` is the largest resident memory of the kernel and its children."""

    notebook: nbformat.NotebookNode
    seconds: float
    peak_bytes: int
    failure: Failure | None


class _Enough(Exception):
    """Raised inside nbclient to end a run early."""


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the interpreter that runs this line, wherever kernelspecs may lie."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(
            argv=command,
            display_name="Python 3 (ipykernel)",
            language="python",
            metadata={"supported_encryption": ["curve"]},
        )


class _CleanKernelManager(AsyncKernelManager):
    @default("kernel_spec_manager")
    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return _ThisInterpreter()


def execute(
    notebook: nbformat.NotebookNode,
    *,
    folder: str | Path,
    cell_timeout: float = 1800,
    environment: dict[str, str] | None = None,
    startup: str = "",
    go_on: bool = False,
    enough: Callable[[int, nbformat.NotebookNode], bool] | None = None,
) -> Execution:
    """Run every code cell of a copy of `notebook` in order, with `folder` as the working folder.

    Args:
        cell_timeout: seconds that one cell may take before the notebook counts as failed.
        environment: variables to set in the kernel beside ours.
        startup: Python that the kernel runs before the first cell.
        go_on: a cell that raises does not end the run, as it does not end nbval's.
        enough: asked after each code cell that did not raise, with its position and itself; True ends it all.
    Returns: an Execution; a failing cell is a `failure` in it, not an exception.
    Raises: KeyboardInterrupt, after the kernel and its children have been ended.
    """
    notebook = _without_outputs(notebook)
    client = NotebookClient(
        notebook,
        timeout=cell_timeout,
        allow_errors=go_on,
        startup_timeout=STARTUP_SECONDS,
        kernel_name="python3",
        kernel_manager_class=_CleanKernelManager,
        record_timing=False,
        store_widget_state=False,
    )
    reached = _follow(client, enough)
    errors: list[BaseException] = []
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="trustlib-kernel-", ignore_cleanup_errors=True) as scratch:
        _talk_within(scratch, client.create_kernel_manager())
        if startup:
            place = Path(scratch, "profile_default", "startup", "00-first.py")
            place.parent.mkdir(parents=True)
            place.write_text(startup, encoding="utf-8")
        settings = {"cwd": str(folder), "env": _environment(scratch, environment or {})}
        settings |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # the kernel's own log
        thread = threading.Thread(target=_run, args=(client, settings, errors), daemon=True)
        processes = _Processes(client)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(SAMPLE_SECONDS)
                processes.look()
        finally:
            _end(thread, processes)
    seconds = time.perf_counter() - start
    failure = _failure(errors[0], reached, processes.exit_status) if errors else None
    return Execution(notebook, seconds, processes.peak_bytes, failure)


def _talk_within(scratch: str, manager: AsyncKernelManager) -> None:
    """Let the kernel talk over sockets that are files, so that a lesson needs no network, not even 127.0.0.1.

    Such a socket's path may have 103 characters (macOS); Windows has none.
    """
    manager.connection_file = str(Path(scratch, "kernel.json"))
    if os.name != "nt" and len(scratch) < 90:
        manager.transport, manager.ip = "ipc", str(Path(scratch, "k"))


def _end(thread: threading.Thread, processes: "_Processes") -> None:
    """End the kernel; nbclient then finds it dead and leaves its thread.

    Asked again for a while, because an interrupt may come before the kernel has a number.
    """
    deadline = time.monotonic() + 15
    processes.end()
    while thread.is_alive() and time.monotonic() < deadline:
        thread.join(SAMPLE_SECONDS)
        processes.end()


def _run(client: NotebookClient, settings: dict, errors: list[BaseException]) -> None:
    try:
        # nbclient's own loop would stay open; zmq needs the selector's kind on Windows too
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as loop:
            loop.run(client.async_execute(**settings))
    except _Enough:
        pass
    except BaseException as error:  # handed to the thread that waits
        errors.append(error)


def _without_outputs(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy whose code cells have no outputs, so that none of an earlier run survives a failure."""
    notebook = nbformat.from_dict(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def _follow(
    client: NotebookClient, enough: Callable[[int, nbformat.NotebookNode], bool] | None
) -> list[tuple[int, str]]:
    """A list that receives (number of the code cell, its source) whenever one starts."""
    reached: list[tuple[int, str]] = []

    def note(cell: nbformat.NotebookNode, cell_index: int) -> None:
        reached.append((len(reached) + 1, cell.source))

    def ask(cell: nbformat.NotebookNode, cell_index: int, execute_reply: dict) -> None:
        _join_streams(cell)
        _forget_widgets(cell)
        if enough is not None and execute_reply["content"]["status"] == "ok" and enough(cell_index, cell):
            raise _Enough

    client.on_cell_execute, client.on_cell_executed = note, ask
    return reached


def _join_streams(cell: nbformat.NotebookNode) -> None:
    """Join neighbouring pieces of one stream, since how print is cut into pieces depends on the clock."""
    outputs: list[nbformat.NotebookNode] = []
    for output in cell.outputs:
        last = outputs[-1] if outputs else {}
        if output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            outputs.append(output)
    cell.outputs = outputs


def _forget_widgets(cell: nbformat.NotebookNode) -> None:
    """Leave of a widget what its output says in words: without its kernel the rest is an error message."""
    for output in cell.outputs:
        output.get("data", {}).pop(WIDGET, None)


def _environment(scratch: str, extra: dict[str, str]) -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("PYTHONSTARTUP", None)  # IPython would run it
    environment |= {"IPYTHONDIR": scratch, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRUSTLIB_PROGRESS": "0"}
    return environment | extra


def _failure(error: BaseException, reached: list[tuple[int, str]], exit_status: int | None) -> Failure:
    number, source = reached[-1] if reached else (0, "")
    lines = [line for line in source.splitlines() if line.strip()]
    return Failure(number, lines[0].strip() if lines else "", _one_line(error, exit_status))


def _one_line(error: BaseException, exit_status: int | None) -> str:
    if isinstance(error, CellExecutionError):
        return " ".join(f"{error.ename}: {error.evalue}".split())
    if isinstance(error, CellTimeoutError):
        return "the cell did not finish in its time: see --cell-timeout"
    if isinstance(error, DeadKernelError):
        killed = "was killed, most often because memory ran out"
        return f"the kernel {killed if exit_status == -9 else f'died with exit status {exit_status}'}"
    return " ".join(f"{type(error).__name__}: {error}".split())


class _Processes:
    """The kernel and what it started: their memory together, and their end."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client
        self._seen: set[psutil.Process] = set()
        self._kernel = None
        self.peak_bytes = 0

    @property
    def exit_status(self) -> int | None:
        """As of subprocess.Popen: -9 is the signal that ends a process when memory runs out."""
        return getattr(self._kernel, "returncode", None)

    def look(self) -> None:
        """Sum the resident memory of everything alive now and keep the largest sum."""
        provisioner = getattr(self._client.km, "provisioner", None)
        self._kernel = getattr(provisioner, "process", None) or self._kernel
        pid = getattr(provisioner, "pid", None)
        try:
            if pid:
                kernel = psutil.Process(pid)
                self._seen |= {kernel, *kernel.children(recursive=True)}
        except psutil.NoSuchProcess:
            pass
        self.peak_bytes = max(self.peak_bytes, sum(_resident(process) for process in self._seen))

    def end(self) -> None:
        """Kill whatever is left; a process that ended already, or whose number went on, is passed over."""
        self.look()
        for process in self._seen:
            try:
                if process.is_running():
                    process.kill()
            except psutil.NoSuchProcess:
                pass
        psutil.wait_procs(list(self._seen), timeout=5)


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
