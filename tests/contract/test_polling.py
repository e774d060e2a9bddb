"""A real ComfyUI in which nothing can be hooked: Backplane polls, says so, and serves all the same."""

from graphs import image, node, salt, sleeping


async def test_health_says_that_it_polls(polled_api):
    health = await polled_api.get("/ext/health")
    assert health["status"] == "ok"
    details = [check["detail"] for check in health["checks"] if check["name"].startswith("hook_")]
    assert details
    assert all("polling" in detail for detail in details)


async def test_a_run_is_followed_to_its_outputs(polled_api):
    task = await polled_api.submit(sleeping(seconds=2.0, steps=10))

    seen = await polled_api.finish(task["id"])

    last = seen[-1]
    assert last["status"] == "succeeded"
    assert [output["value"] for output in last["outputs"]] == ["7", 7]
    assert len({snapshot["nodes"]["1"]["value"] for snapshot in seen}) >= 4
    assert {about["status"] for about in last["nodes"].values()} == {"done"}


async def test_a_run_too_short_to_be_seen_ends_right(polled_api):
    for _ in range(5):
        task = await polled_api.run(image())
        assert task["status"] == "succeeded"
        assert len(task["outputs"]) == 1


async def test_a_failure_is_told(polled_api):
    graph = {
        "1": node("ContractInt", value=1, salt=salt()),
        "2": node("ContractFail", value=["1", 0], message="the reason"),
        "3": node("ContractShow", value=["2", 0]),
    }

    task = await polled_api.run(graph)

    assert (task["status"], task["error"]["node_id"]) == ("failed", "2")
    assert task["nodes"]["2"]["status"] == "failed"


async def test_a_cancel_stops_it(polled_api):
    task = await polled_api.submit(sleeping(seconds=30, steps=600))
    await polled_api.until(task["id"], lambda task: (task["nodes"]["1"]["value"] or 0) > 1)

    await polled_api.post(f"/ext/tasks/{task['id']}/cancel", status=202)

    assert (await polled_api.finish(task["id"]))[-1]["status"] == "cancelled"
