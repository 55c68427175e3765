"""A batch's messages: each succeeds or fails alone, and none waits for another lane's."""

import threading

from functions.aws.batch import ComesBack, settle


def batch(*bodies: str) -> dict:
    return {
        "Records": [
            {"messageId": body, "receiptHandle": body, "body": body, "attributes": {}, "eventSource": "aws:sqs"}
            for body in bodies
        ]
    }


def failed(answer) -> list[str]:
    return sorted(item["itemIdentifier"] for item in answer["batchItemFailures"])


def test_a_lane_where_all_hangs_holds_back_no_other():
    names = [f"{lane}{n}" for n in range(5) for lane in ("hung-", "well-")]
    well, all_well, late = [], threading.Event(), []

    def work(message) -> None:
        if message.body.startswith("well-"):
            well.append(message.body)
            if len(well) == 5:
                all_well.set()
        elif not all_well.wait(5):
            late.append(message.body)

    answer = settle(batch(*names), work, threads=4, lane=lambda body: body[:5])
    assert late == []
    assert failed(answer) == []


def test_each_message_of_each_lane_is_worked_on_once_and_answers_for_itself():
    done = []

    def work(message) -> None:
        done.append(message.body)
        if message.body.endswith("3"):
            raise ComesBack

    names = [f"{lane}{n}" for n in range(5) for lane in "abcde"]
    assert failed(settle(batch(*names), work, threads=3, lane=lambda body: body[0])) == [f"{lane}3" for lane in "abcde"]
    assert sorted(done) == sorted(names)


def test_messages_of_one_lane_share_its_threads():
    together = threading.Barrier(3)
    assert failed(settle(batch("1", "2", "3"), lambda _: together.wait(5) and None, threads=3)) == []
