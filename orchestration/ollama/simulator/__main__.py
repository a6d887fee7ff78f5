"""``python -m orchestration.ollama.simulator``: one or several simulated servers in one process."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from .catalogue import demo_nodes
from .node import SimulatedNode, introduce
from .specs import NodeSpec

_WATCH_SECONDS = 0.5


def parse_node(text: str) -> NodeSpec:
    """``name:port:vram_gb[:slots[:speed]]``."""
    parts = text.split(":")
    if not 3 <= len(parts) <= 5:
        raise argparse.ArgumentTypeError("expected name:port:vram_gb[:slots[:speed]]")
    try:
        name, port, vram_gb = parts[0], int(parts[1]), float(parts[2])
        slots = int(parts[3]) if len(parts) > 3 else 1
        speed = float(parts[4]) if len(parts) > 4 else 1.0
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return NodeSpec(name=name, port=port, vram_gb=vram_gb, slots=slots, speed=speed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.ollama.simulator", description="Simulated Ollama servers, all in one process."
    )
    parser.add_argument(
        "--node",
        action="append",
        type=parse_node,
        default=[],
        metavar="NAME:PORT:VRAM_GB[:SLOTS[:SPEED]]",
        help="a server; may be repeated; port 0 takes a free one",
    )
    parser.add_argument("--demo", action="store_true", help="three servers with six models: gpu-a, gpu-b, mac-mini")
    parser.add_argument("--port", type=int, default=0, help="first port of --demo; 0 takes free ones (default)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--speed", type=float, default=1.0, help="factor on the speed of every server")
    parser.add_argument("--models", default="", help="comma list of installed models, for every --node")
    parser.add_argument("--version-string", default="", help="what /api/version says")
    parser.add_argument("--answer-tokens", type=int, default=0, help="mean length of answers in tokens")
    parser.add_argument("--parent-pid", type=int, default=0, help="quit when this process is gone")
    return parser


def specs_of(arguments: argparse.Namespace) -> list[NodeSpec]:
    specs: list[NodeSpec] = [replace(spec, speed=spec.speed * arguments.speed) for spec in arguments.node]
    if arguments.models:
        specs = [replace(spec, models=tuple(arguments.models.split(","))) for spec in specs]
    if arguments.demo or not specs:
        for place, spec in enumerate(demo_nodes(arguments.speed)):
            specs.append(replace(spec, port=arguments.port + place if arguments.port else 0))
    for spec in specs:
        spec.host = arguments.host
        spec.version = arguments.version_string or spec.version
        spec.mean_answer_tokens = arguments.answer_tokens or spec.mean_answer_tokens
    return specs


async def _parent_gone(pid: int) -> None:
    is_own_parent = os.getppid() == pid
    while True:
        if not _exists(pid) or (is_own_parent and os.getppid() != pid):
            return
        await asyncio.sleep(_WATCH_SECONDS)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def serve(specs: Sequence[NodeSpec], parent_pid: int) -> None:
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    nodes = [SimulatedNode(spec) for spec in specs]
    introduce(nodes)
    async with contextlib.AsyncExitStack() as stack:
        for node in nodes:
            await stack.enter_async_context(node)
            line = {"event": "ready", "name": node.spec.name, "url": node.url}
            sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()
        watch = loop.create_task(_parent_gone(parent_pid)) if parent_pid else None
        if watch is not None:
            watch.add_done_callback(lambda _: leave.set())
        await leave.wait()
        if watch is not None:
            watch.cancel()


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _parser().parse_args(argv)
    asyncio.run(serve(specs_of(arguments), arguments.parent_pid))


if __name__ == "__main__":
    main()
