"""Where settings come from, and what is said when one cannot be used."""

import dataclasses
import math
from pathlib import Path

import pytest
from backplane.settings import Settings, SettingsError, load, variable_of


def written(folder: Path, text: str | bytes) -> Path:
    raw = text if isinstance(text, bytes) else text.encode()
    folder.joinpath("backplane.toml").write_bytes(raw)
    return folder


def test_without_a_file_and_variables_all_settings_have_their_defaults(tmp_path: Path):
    assert load(tmp_path, {}) == Settings()


def test_a_state_folder_that_does_not_exist_yet_means_defaults(tmp_path: Path):
    assert load(tmp_path / "later", {}) == Settings()


def test_the_process_environment_is_read_where_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BACKPLANE_HOOKS", "off")
    assert load(tmp_path).hooks == "off"


def test_settings_cannot_be_changed():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.hooks = "off"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_file_sets_every_kind_of_setting(tmp_path: Path):
    written(tmp_path, 'hooks = "off"\npoll_interval_s = 1.5\nmax_body_bytes = 2_048\nlearn_pairs = false\n')
    assert load(tmp_path, {}) == Settings(
        hooks="off", poll_interval_s=1.5, max_body_bytes=2048, learn_pairs=False
    )


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path):
    written(tmp_path, b'\xef\xbb\xbfhooks = "off"\r\n')
    assert load(tmp_path, {}).hooks == "off"


def test_a_whole_number_does_for_a_number(tmp_path: Path):
    interval = load(written(tmp_path, "poll_interval_s = 2"), {}).poll_interval_s
    assert interval == 2.0
    assert type(interval) is float


def test_a_variable_wins_over_the_file(tmp_path: Path):
    written(tmp_path, "keep_tasks = 1\nmax_body_bytes = 4096")
    settings = load(tmp_path, {"BACKPLANE_KEEP_TASKS": "2"})
    assert (settings.keep_tasks, settings.max_body_bytes) == (2, 4096)


def test_a_variable_names_another_file_and_the_usual_one_is_not_read(tmp_path: Path):
    written(tmp_path, "nonsense")
    other = tmp_path / "other.toml"
    other.write_text("keep_tasks = 7")
    assert load(tmp_path, {"BACKPLANE_CONFIG": str(other)}).keep_tasks == 7


@pytest.mark.parametrize("text", ["1", "true", "YES", " on "])
def test_a_variable_says_true_in_four_ways(tmp_path: Path, text: str):
    written(tmp_path, "learn_pairs = false")
    assert load(tmp_path, {"BACKPLANE_LEARN_PAIRS": text}).learn_pairs is True


@pytest.mark.parametrize("text", ["0", "False", "no", "off"])
def test_a_variable_says_false_in_four_ways(tmp_path: Path, text: str):
    assert load(tmp_path, {"BACKPLANE_LEARN_PAIRS": text}).learn_pairs is False


@pytest.mark.parametrize("setting", [setting.name for setting in dataclasses.fields(Settings)])
def test_an_empty_variable_counts_as_absent(tmp_path: Path, setting: str):
    assert load(tmp_path, {variable_of(setting): " ", "BACKPLANE_CONFIG": ""}) == Settings()


def test_variables_that_name_no_setting_are_left_alone(tmp_path: Path):
    assert load(tmp_path, {"BACKPLANE_SERVICE_HOST": "10.0.0.1"}) == Settings()


def test_a_named_file_that_is_missing_is_an_error_with_its_name(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"absent\.toml, which BACKPLANE_CONFIG names, does not exist"):
        load(tmp_path, {"BACKPLANE_CONFIG": "absent.toml"})


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path):
    tmp_path.joinpath("backplane.toml").mkdir()
    with pytest.raises(SettingsError, match=r"backplane\.toml cannot be read: \w+"):
        load(tmp_path, {})


@pytest.mark.parametrize("raw", [b"hooks = ", b"hooks", b"\xff\xfe", b'hooks = "auto"\nhooks = "off"'])
def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path, raw: bytes):
    with pytest.raises(SettingsError, match=r"backplane\.toml is not TOML: "):
        load(written(tmp_path, raw), {})


def test_an_unknown_setting_is_an_error_that_names_the_nearest(tmp_path: Path):
    with pytest.raises(SettingsError, match="no setting 'poll_intervall'; did you mean poll_interval_s"):
        load(written(tmp_path, "poll_intervall = 1"), {})


def test_an_unknown_table_is_an_error(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"no setting 'qqq'$"):
        load(written(tmp_path, "[qqq]\nhooks = 'off'"), {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('hooks = "on"', "hooks takes one of 'auto', 'off', not 'on'"),
        ("hooks = true", "hooks takes one of 'auto', 'off', not True"),
        ("hooks = ['auto']", "hooks takes one of"),
        ('poll_interval_s = "1"', "poll_interval_s takes a number, not '1'"),
        ("poll_interval_s = true", "poll_interval_s takes a number, not True"),
        ("poll_interval_s = nan", "poll_interval_s takes a number, not nan"),
        ("poll_interval_s = inf", "poll_interval_s takes a number, not inf"),
        (f"poll_interval_s = 1{'0' * 400}", "poll_interval_s takes a number, not inf"),
        ("poll_interval_s = 0", "poll_interval_s must be at least 0.01, not 0.0"),
        ("poll_interval_s = -inf", "poll_interval_s takes a number"),
        ("max_body_bytes = 1.0", "max_body_bytes takes a whole number, not 1.0"),
        ("max_body_bytes = true", "max_body_bytes takes a whole number, not True"),
        ("max_body_bytes = 1023", "max_body_bytes must be at least 1024, not 1023"),
        ("keep_tasks = -1", "keep_tasks must be at least 0, not -1"),
        ("learn_pairs = 1", "learn_pairs takes true or false, not 1"),
        ('learn_pairs = "true"', "learn_pairs takes true or false, not 'true'"),
    ],
)
def test_a_wrong_value_in_the_file_is_an_error_that_says_what_is_taken(
    tmp_path: Path, text: str, message: str
):
    with pytest.raises(SettingsError, match=r"^backplane\.toml: " + message):
        load(written(tmp_path, text), {})


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("BACKPLANE_HOOKS", "AUTO", "BACKPLANE_HOOKS: hooks takes one of 'auto', 'off', not 'AUTO'"),
        ("BACKPLANE_POLL_INTERVAL_S", "fast", "BACKPLANE_POLL_INTERVAL_S takes a number, not 'fast'"),
        (
            "BACKPLANE_POLL_INTERVAL_S",
            "nan",
            "BACKPLANE_POLL_INTERVAL_S: poll_interval_s takes a number, not nan",
        ),
        ("BACKPLANE_POLL_INTERVAL_S", "1e400", "takes a number, not inf"),
        ("BACKPLANE_MAX_BODY_BYTES", "32M", "BACKPLANE_MAX_BODY_BYTES takes a whole number, not '32M'"),
        ("BACKPLANE_MAX_BODY_BYTES", "1e6", "takes a whole number, not '1e6'"),
        ("BACKPLANE_MAX_BODY_BYTES", "-5", "max_body_bytes must be at least 1024, not -5"),
        ("BACKPLANE_LEARN_PAIRS", "maybe", "BACKPLANE_LEARN_PAIRS takes true or false, not 'maybe'"),
    ],
)
def test_a_wrong_variable_is_an_error_that_names_it(tmp_path: Path, variable: str, text: str, message: str):
    with pytest.raises(SettingsError, match=message):
        load(tmp_path, {variable: text})


def test_bounds_themselves_are_taken(tmp_path: Path):
    written(tmp_path, "poll_interval_s = 0.01\nmax_body_bytes = 1024\nkeep_tasks = 0")
    settings = load(tmp_path, {})
    assert math.isclose(settings.poll_interval_s, 0.01)
    assert (settings.max_body_bytes, settings.keep_tasks) == (1024, 0)
