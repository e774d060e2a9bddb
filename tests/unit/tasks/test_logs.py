"""What each task logged."""

import logging
import threading

import pytest
from backplane.tasks.logs import CHARS, LINES, LogTap, Redactor
from hypothesis import given
from hypothesis import strategies as st


class Where:
    """What ComfyUI's execution context says."""

    def __init__(self):
        self.now = ("p", "3")

    def __call__(self):
        return self.now


@pytest.fixture
def where():
    return Where()


@pytest.fixture
def tap(where):
    return LogTap(where)


def logger_of(tap):
    made = logging.Logger("pack", logging.DEBUG)  # noqa: LOG001 - not one that other tests share
    made.addHandler(tap)
    return made


@pytest.fixture
def logger(tap):
    return logger_of(tap)


def texts(tap, prompt_id="p", after=0):
    return [line.text for line in tap.lines(prompt_id, after).lines]


def test_lines_carry_node_level_and_time(tap, logger, where):
    logger.warning("loaded %d of %s", 3, "five")
    where.now = ("p", None)
    logger.info("between nodes")
    first, second = tap.lines("p").lines
    assert (first.number, first.level, first.node_id, first.text) == (1, "WARNING", "3", "loaded 3 of five")
    assert (second.number, second.node_id) == (2, None)
    assert first.at <= second.at
    assert first.to_json()["text"] == "loaded 3 of five"


def test_tasks_are_kept_apart_and_what_belongs_to_none_is_left_out(tap, logger, where):
    logger.info("one")
    where.now = ("q", "1")
    logger.info("two")
    where.now = None
    logger.info("three")
    assert (texts(tap), texts(tap, "q"), texts(tap, "r")) == (["one"], ["two"], [])


def test_lines_are_asked_for_after_a_number(tap, logger):
    for number in range(1, 6):
        logger.info("line %d", number)
    page = tap.lines("p", after=3)
    assert [line.text for line in page.lines] == ["line 4", "line 5"]
    assert (page.last, page.dropped) == (5, 0)
    empty = tap.lines("p", after=5)
    assert (empty.lines, empty.last, empty.dropped) == ((), 5, 0)


def test_only_the_last_lines_are_kept_and_the_others_counted(where):
    tap = LogTap(where, lines=10)
    logger = logger_of(tap)
    for number in range(1, 26):
        logger.warning("%d", number)
    page = tap.lines("p")
    assert [line.text for line in page.lines] == [str(number) for number in range(16, 26)]
    assert (page.dropped, page.last) == (15, 25)
    assert tap.lines("p", after=10).dropped == 5
    assert tap.lines("p", after=20).dropped == 0


def test_only_the_last_tasks_are_kept(where):
    tap = LogTap(where, tasks=3)
    logger = logger_of(tap)
    for number in range(10):
        where.now = (str(number), None)
        logger.warning("x")
    assert [number for number in range(10) if texts(tap, str(number))] == [7, 8, 9]
    tap.forget("9")
    assert texts(tap, "9") == []


def test_a_node_that_logs_megabytes_costs_bounded_memory(tap, logger):
    logger.info("x" * 20_000_000)
    logger.info("%s", "y" * 20_000_000)
    logger.info("z\n" * 5_000_000)
    for _ in range(5000):
        logger.info("w" * 10_000)
    page = tap.lines("p")
    assert len(page.lines) == LINES
    assert sum(len(line.text) for line in page.lines) <= LINES * CHARS


def test_a_long_line_is_cut_at_a_gap_so_that_no_secret_is_cut(tap, logger):
    logger.info("%s hf_%s", "a" * (CHARS - 30), "Q" * 40)
    (text,) = texts(tap)
    assert text.endswith("(cut)")
    assert "hf_" not in text


def test_a_message_of_several_lines_becomes_several(tap, logger):
    logger.info("one\ntwo\r\nthree\n")
    assert texts(tap) == ["one", "two", "three"]
    logger.info("\n".join(map(str, range(1000))))
    assert len(texts(tap, after=3)) == 101


def test_a_progress_bar_shows_what_a_terminal_would(tap, logger):
    logger.info("\r 10%|#   |\r 50%|##  |\r100%|####|\r\n")
    assert texts(tap) == ["100%|####|"]


def test_colours_are_taken_out(tap, logger):
    logger.info("\x1b[1m\x1b[33mwarning\x1b[0m: \x1b]0;title\x07done")
    assert texts(tap) == ["warning: done"]


def test_an_exception_is_named_with_the_message(tap, logger):
    try:
        float("bad tensor")
    except ValueError:
        logger.exception("node failed")
    assert texts(tap) == ["node failed", "ValueError: could not convert string to float: 'bad tensor'"]


def test_a_traceback_that_another_handler_formatted_is_used(tap, logger):
    record = logging.LogRecord("pack", logging.ERROR, "x.py", 1, "failed", (), None)
    record.exc_text = "Traceback:\n  here\nValueError: x"
    logger.handle(record)
    assert texts(tap) == ["failed", "Traceback:", "  here", "ValueError: x"]


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


def test_nothing_that_is_logged_raises(tap, logger, where):
    logger.info(Hostile())
    logger.info("%s", Hostile())
    logger.info("%d %d", 1)  # noqa: PLE1206 - a pack's mistake
    logger.info(None)
    logger.info("%(a)s", {"a": 1})
    logger.info(b"bytes")
    assert texts(tap) == ["None", "1", "b'bytes'"]
    broken = LogTap(lambda: 1 / 0)
    broken.handle(logging.LogRecord("x", 20, "x", 1, "x", (), None))


def test_no_lock_of_the_handler_is_waited_for(tap, logger):
    tap.acquire()
    try:
        thread = threading.Thread(target=logger.info, args=("from a thread",))
        thread.start()
        thread.join(timeout=10)
        assert not thread.is_alive()
    finally:
        tap.release()
    assert texts(tap) == ["from a thread"]


def test_many_threads_lose_no_line(where):
    tap = LogTap(where, lines=10_000)
    logger = logger_of(tap)
    threads = [threading.Thread(target=lambda: [logger.warning("x") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tap.lines("p")
    numbers = [line.number for line in tap.lines("p").lines]
    assert sorted(numbers) == list(range(1, 2001))


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer SECRETsecret123",
        "{'Authorization': 'Bearer SECRETsecret123', 'x': 1}",
        'headers = {"authorization": "SECRETsecret123"}',
        "using bearer SECRETsecret123",
        "token hf_SECRETsecret123 found",
        "key is sk-proj-SECRETsecret123",
        "git ghp_SECRETsecret123SECRET",
        "GET https://civitai.com/api/download/models/1?type=Model&token=SECRETsecret123&x=1",
        "GET https://x.y/z?key=SECRETsecret123",
        "GET https://x.y/z?X-Amz-Signature=SECRETsecret123",
        "https://user:SECRETsecret123@host/path",
        "https://SECRETsecret123@host/path",
        "AUTH_TOKEN_COMFY_ORG=SECRETsecret123",
        "'auth_token_comfy_org': 'SECRETsecret123'",
        "api_key_comfy_org: SECRETsecret123",
        'CIVITAI_API_KEY="SECRETsecret123"',
        "civitai_token: SECRETsecret123",
        "password = SECRETsecret123",
        '"client_secret": "SECRETsecret123"',
        "Cookie: a=1; session=SECRETsecret123",
        "comfyui-5ec2e7" + "0" * 40,
        "jwt eyJhbGciOiJIUzI1.SECRETsecret123.sig",
    ],
)
def test_secrets_are_redacted(line):
    shown = Redactor()(line)
    assert "SECRETsecret123" not in shown
    assert "5ec2e7" not in shown
    assert "[redacted]" in shown


@pytest.mark.parametrize(
    "line",
    [
        "got prompt",
        "100%|##########| 20/20 [00:02<00:00,  9.1it/s]",
        "Requested to load SDXLClipModel",
        "tokens: 77, max_token=4096",
        "tokenizer: CLIPTokenizer",
        "missing key: model.diffusion_model.x",
        "key shape torch.Size([1, 77])",
        "https://huggingface.co/x/y/resolve/main/z.safetensors",
        "https://host/path?width=512&seed=7",
    ],
)
def test_what_is_no_secret_stays(line):
    assert Redactor()(line) == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("/home/alice/ComfyUI/models/x.safetensors", "~/ComfyUI/models/x.safetensors"),
        ("File '/Users/alice/x.py'", "File '~/x.py'"),
        ("C:\\Users\\alice\\ComfyUI", "~\\ComfyUI"),
        ("/root/ComfyUI", "~/ComfyUI"),
    ],
)
def test_home_folders_are_shortened(line, shown):
    assert Redactor()(line) == shown


def test_secrets_of_the_settings_are_hidden_wherever_they_stand():
    assert Redactor(["s3same", ""])("open s3same now") == "open [redacted] now"


@given(st.text(max_size=600))
def test_no_line_is_too_odd_to_be_redacted(line):
    shown = Redactor()(line)
    assert "\x1b[" not in shown


@given(st.text(alphabet="abkey=:?&token-._'/ ", max_size=CHARS), st.text("XYZ0", min_size=12, max_size=40))
def test_a_token_is_found_whatever_stands_before_it(line, secret):
    assert secret not in Redactor()(f"{line} token={secret}")
