"""What axe-core finds on a page that keeps people out."""

from pathlib import Path
from typing import Any

AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe-core-4.14.1" / "axe.min.js"
KEPT_OUT = ("serious", "critical")


async def serious(page: Any) -> list[str]:
    """Each finding with the elements it is about; empty is good."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{item['id']}: {item['help']} ({', '.join(str(node['target']) for node in item['nodes'][:5])})"
        for item in found["violations"]
        if item["impact"] in KEPT_OUT
    ]
