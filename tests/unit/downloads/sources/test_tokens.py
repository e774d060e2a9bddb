"""Tokens: from where, and to whom."""

import pytest
from backplane.downloads.sources.links import parse
from backplane.downloads.sources.tokens import Tokens
from backplane.downloads.trouble import DownloadError
from backplane.settings import Settings

HUB = parse("https://huggingface.co/x")


def test_the_setting_goes_before_the_variable_before_the_login():
    def login():
        return "hf_login"

    everything = {"HF_TOKEN": "hf_variable"}
    assert Tokens(Settings(hf_token="hf_setting"), everything, login).of("huggingface") == "hf_setting"
    assert Tokens(Settings(), everything, login).of("huggingface") == "hf_variable"
    assert Tokens(Settings(), {}, login).of("huggingface") == "hf_login"
    assert Tokens(Settings(), {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, login).of("huggingface") is None


def test_the_file_of_a_login_is_read_anew_each_time(tmp_path):
    tokens = Tokens(Settings(), {"HF_HOME": str(tmp_path)}, hub_token=None)
    assert tokens.of("huggingface") is None
    (tmp_path / "token").write_text("hf_first\n")
    assert tokens.of("huggingface") == "hf_first"
    (tmp_path / "token").write_text("hf_second\n")
    assert tokens.of("huggingface") == "hf_second"
    elsewhere = {"HF_HOME": str(tmp_path), "HF_TOKEN_PATH": str(tmp_path / "none")}
    assert Tokens(Settings(), elsewhere, hub_token=None).of("huggingface") is None


def test_civitai_and_github():
    environ = {"CIVITAI_API_TOKEN": "civ", "GITHUB_TOKEN": "gh"}
    tokens = Tokens(Settings(), environ, hub_token=None)
    assert (tokens.of("civitai"), tokens.of("github")) == ("civ", "gh")
    environ["CIVITAI_API_TOKEN"] = "renewed"
    assert tokens.of("civitai") == "renewed"


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("https://huggingface.co/x", True),
        ("http://huggingface.co/x", False),
        ("https://cdn.huggingface.co/x", False),
        ("https://huggingface.co.evil.example/x", False),
    ],
)
def test_a_token_goes_to_its_host_only_and_over_https(url, goes):
    tokens = Tokens(Settings(hf_token="hf_x"), {}, hub_token=None)
    expected = {"Authorization": "Bearer hf_x"} if goes else {}
    assert tokens.header("huggingface", parse(url), {"huggingface.co"}) == expected


def test_a_token_goes_over_http_only_where_the_owner_said_so_twice():
    link = parse("http://hub.lan/x")
    for allow_private, hosts, goes in [(True, "hub.lan", True), (False, "hub.lan", False), (True, "", False)]:
        settings = Settings(hf_token="hf_x", outbound_allow_private=allow_private, download_hosts=hosts)
        assert bool(Tokens(settings, {}, hub_token=None).header("huggingface", link, {"hub.lan"})) is goes


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "tök", "x" * 5000])
def test_what_can_be_no_token_is_refused_and_not_shown(token):
    with pytest.raises(DownloadError) as caught:
        Tokens(Settings(hf_token=token), {}, hub_token=None).of("huggingface")
    assert caught.value.code == "DOWNLOAD_AUTH_REQUIRED"
    assert token not in repr(caught.value.body())


def test_tokens_are_taken_out_of_texts():
    tokens = Tokens(Settings(hf_token="hf_x1", civitai_token="civ_x2"), {}, hub_token=None)
    assert tokens.redacted("a hf_x1 b civ_x2 c") == "a ••• b ••• c"


def test_huggingface_hub_is_asked_where_it_is_there(monkeypatch, tmp_path):
    import huggingface_hub
    from backplane.downloads.sources.tokens import package_token

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_package")
    assert package_token() == "hf_package"

    def fails():
        raise RuntimeError

    monkeypatch.setattr(huggingface_hub, "get_token", fails)
    assert package_token() is None
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    assert package_token() is None
