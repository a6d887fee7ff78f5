"""``python -m orchestration.cli`` is ``drover``."""

from orchestration.cli.main import main

main()
