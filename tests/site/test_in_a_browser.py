"""The site in headless Chromium: no error, equations drawn, search, copy buttons, two themes, the width of a phone."""

import shutil
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support import expected_conditions  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytestmark = pytest.mark.site
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("no Chromium with chromedriver", allow_module_level=True)

DESK, PHONE = (1200, 900), (390, 844)
PAGES = [
    *("index", "README", "docs/glossary", "docs/cost", "results/README", "api/index", "api/rga.models"),
    *("docs/api/README", "docs/api/models", "docs/api/metrics"),
    *("notebooks/01_dataset", "notebooks/02_rga_module", "notebooks/03_train", "notebooks/04_evaluate"),
    *("notebooks/05_ablation", "notebooks/06_transfer", "rga/models/rga", "rga/data/cuhk03/index"),
]


@contextmanager
def served(folder):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def address(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


def show(browser, url, size=DESK):
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(url)
    loaded = "return document.URL === arguments[0] && document.readyState === 'complete'"
    WebDriverWait(browser, 60).until(lambda browser: browser.execute_script(loaded, url))


def elements(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def style(browser, selector, name):
    return browser.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name
    )


@pytest.mark.parametrize("page", PAGES)
def test_no_error_nothing_from_elsewhere_and_as_wide_as_the_screen(page, browser, address):
    for size in (DESK, PHONE):
        show(browser, f"{address}/{page}.html", size)
        assert browser.get_log("browser") == []
        page_and_window = "const page = document.documentElement; return [page.scrollWidth, page.clientWidth]"
        assert len(set(browser.execute_script(page_and_window))) == 1
        loaded = browser.execute_script(
            "return performance.getEntriesByType('resource').map(entry => entry.name)"
        )
        assert loaded and all(name.startswith(address) for name in loaded)


def test_equations_are_drawn(browser, address):
    show(browser, f"{address}/notebooks/02_rga_module.html")
    sizes = [math.size for math in elements(browser, "math") if math.is_displayed()]
    assert len(sizes) > 20 and all(size["height"] > 8 and size["width"] > 3 for size in sizes)
    assert style(browser, "math", "fontFamily") != style(browser, "article", "fontFamily")


@pytest.mark.parametrize("by_file", [False, True], ids=["served", "opened as a file"])
def test_the_search_finds_a_word(by_file, browser, site, address):
    show(browser, f"{site.as_uri() if by_file else address}/search.html?q=batch-hard")
    # Results come one by one; the summary changes when all are there.
    finished = (By.CSS_SELECTOR, "#search-results .search-summary"), "finished"
    WebDriverWait(browser, 60).until(expected_conditions.text_to_be_present_in_element(*finished))
    found = {
        link.get_attribute("href").split("?")[0].rsplit("/", 1)[1]
        for link in elements(browser, "#search-results li a")
    }
    assert {"glossary.html", "03_train.html", "rga.training.losses.html"} <= {
        name.split("#")[0] for name in found
    }
    assert browser.get_log("browser") == []


def test_code_has_a_copy_button_and_answers_are_folded(browser, address):
    show(browser, f"{address}/notebooks/02_rga_module.html")
    code, buttons = elements(browser, "div.cell_input div.highlight"), elements(browser, "button.copybtn")
    assert len(buttons) >= len(code) > 20
    details = elements(browser, "details")[0]
    assert not details.find_elements(By.CSS_SELECTOR, "p")[0].is_displayed()
    browser.execute_script("arguments[0].click()", details.find_element(By.TAG_NAME, "summary"))
    assert details.find_elements(By.CSS_SELECTOR, "p")[0].is_displayed()


def test_the_theme_can_be_changed(browser, address):
    show(browser, f"{address}/index.html")
    seen = {}
    for _ in range(3):  # as the system, light, dark
        (button,) = [button for button in elements(browser, "button.theme-toggle") if button.is_displayed()]
        button.click()
        seen[browser.execute_script("return document.body.dataset.theme")] = style(
            browser, "body", "backgroundColor"
        )
    assert seen.keys() == {"auto", "light", "dark"}
    assert seen["light"] == "rgb(255, 255, 255)" != seen["dark"]


def test_a_phone_has_a_menu(browser, address):
    show(browser, f"{address}/notebooks/02_rga_module.html", PHONE)
    sidebar = elements(browser, ".sidebar-drawer")[0]
    assert sidebar.rect["x"] < 0
    (menu,) = [label for label in elements(browser, "label[for=__navigation]") if label.is_displayed()][:1]
    menu.click()
    WebDriverWait(browser, 5).until(lambda browser: sidebar.rect["x"] == 0)
