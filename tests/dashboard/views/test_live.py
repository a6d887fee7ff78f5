"""The live view for networks that block websockets."""

import json

import pytest
from django.test import AsyncClient

pytestmark = pytest.mark.django_db(transaction=True)


async def test_the_same_snapshots_can_be_polled(redis_server, carol, submitted_task):
    client = AsyncClient()
    await client.aforce_login(carol)
    response = await client.get("/live/", {"topic": ["tasks", "load"], "filter": ["status=pending", ""]})
    frames = json.loads(response.content)["frames"]
    assert {frame["topic"] for frame in frames if frame["type"] == "snap"} == {"tasks", "load"}
    assert response["Cache-Control"] == "no-store"


async def test_polling_needs_a_session_too(redis_server):
    response = await AsyncClient().get("/live/", {"topic": "load"})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "not_authenticated"
