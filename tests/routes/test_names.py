"""Where the installed page keeps the names of node classes, by what its modules look like."""

import pytest
from backplane.routes.names import names_of

NEWER = (
    '"./zh/main.json":()=>e(()=>import(`./main-B1.js`),[]),'
    '"./zh/nodeDefs.json":()=>e(()=>import(`./nodeDefs-Dk_2-T.js`),[])'
)
OLDER = (
    'a={tr:p(()=>v(()=>import("./nodeDefs-tr.js"),[]),"tr"),zh:p(()=>v(()=>import("./nodeDefs-zh.js"),[]),"zh")'
    ',"zh-TW":p(()=>v(()=>import("./nodeDefs-tw.js"),[]),"zh-TW")}'
)


@pytest.fixture
def page(tmp_path):
    def write(**files):
        (tmp_path / "assets").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "assets" / f"{name.replace('__', '-')}.js").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_a_newer_page_names_them_in_a_module_of_its_languages(page):
    folder = page(i18n__a=NEWER, index__b=OLDER, nodeDefs__zh="")
    (folder / "assets" / "nodeDefs-Dk_2-T.js").touch()
    assert names_of(folder) == {"zh": "/assets/nodeDefs-Dk_2-T.js"}


def test_an_older_one_in_its_main_module(page):
    assert names_of(page(index__a="nothing", index__b=OLDER, nodeDefs__zh="")) == {
        "zh": "/assets/nodeDefs-zh.js"
    }


def test_a_page_that_has_none_or_another_form_has_no_names(page, tmp_path):
    assert names_of(None) == {}
    assert names_of(tmp_path / "absent") == {}
    assert names_of(page(index__a=OLDER)) == {}  # the module itself is not there
    assert names_of(page(index__a='zh:"./nodeDefs-/../../x.js"')) == {}
