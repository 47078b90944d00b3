"""A JupyterLab as `make lab` starts it, seen through a headless Chromium."""

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from rga.io.paths import ROOT

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
DRIVER = shutil.which("chromedriver")
SIZE = 1280, 1000
READABLE = 4.5  # contrast of text, by WCAG
# Cells out of sight leave the page, unless told otherwise; the tests look at all of them.
ALL_CELLS = '{"windowingMode": "none"}'
# What a cell of the notebook shows: whether it ran, what is red, how its figures came out.
SEEN = """
const all = (where, what) => [...where.querySelectorAll(what)];
const page = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook");
const cells = all(page, ".jp-CodeCell").filter(c => c.querySelector(".jp-InputArea .cm-content").textContent.trim());
const prompts = cells.map(c => c.querySelector(".jp-InputPrompt").textContent);
return {
  running: prompts.filter(p => /\\*/.test(p)).length,
  started: prompts.some(p => /[*\\d]/.test(p)),
  skipped: prompts.filter(p => !/[*\\d]/.test(p)).length,
  red: all(page, '[data-mime-type="application/vnd.jupyter.stderr"]').map(e => e.textContent),
  broken: all(page, ".jp-OutputArea-output").map(e => e.textContent)
    .filter(t => /Error displaying widget|Loading widget/.test(t)),
  dialogs: all(document, ".jp-Dialog").map(e => e.textContent),
  figures: all(page, ".jp-OutputArea-output img")
    .map(i => [i.naturalWidth, i.clientWidth, i.parentElement.clientWidth]),
};
"""
# WCAG's contrast of every text in outputs and rendered Markdown against what is painted behind it. The colours of code
# in Markdown are JupyterLab's own; its brackets have 2.9 in the light theme.
CONTRASTS = """
const number = c => { const [r, g, b, a = 1] = c.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const over = (top, below) => below.map((v, i) => top[i] * top[3] + v * (1 - top[3]));
const behind = e => { const own = e ? number(getComputedStyle(e).backgroundColor) : [255, 255, 255, 1];
  return own[3] == 1 || !e ? own.slice(0, 3) : over(own, behind(e.parentElement)); };
const panel = document.querySelector(".jp-NotebookPanel:not(.lm-mod-hidden)") || document;
return [...panel.querySelectorAll(".jp-RenderedHTMLCommon, .jp-OutputArea-output")]
  .flatMap(e => [e, ...e.querySelectorAll("*")])
  .filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim()) && e.getClientRects().length)
  .filter(e => !e.closest(".jp-RenderedLatex, mjx-container, .jp-InternalAnchorLink, option, pre code span"))
  .map(e => { const back = behind(e), [a, b] = [light(over(number(getComputedStyle(e).color), back)), light(back)];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName, e.textContent.slice(0, 60)]; });
"""


class Lab:
    """A browser in a JupyterLab."""

    def __init__(self, driver: webdriver.Chrome, address: str, token: str):
        self.driver, self.address, self.token = driver, address, token

    def open(self, path: str = "", ready: str = ".jp-Notebook") -> None:
        """Open a file by its path, or what `make lab` opens; wait until it is there."""
        where = f"lab/tree/{path}" if path else ""
        self.driver.get(f"{self.address}/{where}?token={self.token}&reset")
        self.wait(lambda: self.driver.find_elements(By.CSS_SELECTOR, ready), 120)

    def menu(self, *words: str) -> None:
        """Choose from the menus by what stands there: menu("Run", "Run All Cells")."""
        self._press(".lm-MenuBar-item", words[0])
        for word in words[1:]:
            self._press(".lm-Menu-item", word)

    def run_all(self, seconds: float) -> dict:
        """Run → Run All Cells, and what is seen when none runs any more; after an error the rest is skipped."""
        idle = '.jp-NotebookPanel [data-status="idle"]'
        self.wait(lambda: self.driver.find_elements(By.CSS_SELECTOR, idle), 120)
        self.menu("Run", "Run All Cells")
        self.wait(
            lambda: (seen := self.seen())["dialogs"] or (seen["started"] and not seen["running"]), seconds
        )
        time.sleep(0.5)  # the last output is drawn after the last number
        return self.seen()

    def seen(self) -> dict:
        return self.driver.execute_script(SEEN)

    def theme(self, name: str) -> None:
        """Light or Dark."""
        self.menu("Settings", "Theme", f"JupyterLab {name}")
        chosen = f'body[data-jp-theme-name="JupyterLab {name}"]'
        self.wait(lambda: self.driver.find_elements(By.CSS_SELECTOR, chosen), 20)
        time.sleep(0.5)  # colours fade over

    def contrasts(self) -> list[tuple[float, str, str]]:
        """(contrast, tag, text) of everything written, the least readable first."""
        return sorted(map(tuple, self.driver.execute_script(CONTRASTS)))

    def wait(self, condition, seconds: float) -> None:
        WebDriverWait(self.driver, seconds, 0.2).until(lambda driver: condition())

    def _press(self, selector: str, word: str) -> None:
        def found():
            items = self.driver.find_elements(By.CSS_SELECTOR, selector)
            return [
                item for item in items if item.is_displayed() and item.text.split("\n")[0].strip() == word
            ]

        self.wait(found, 20)
        webdriver.ActionChains(self.driver).move_to_element(found()[0]).click().perform()


def check_run_all(lab: Lab, seconds: float) -> dict:
    """Run all cells of the open notebook: all is well, in the light and in the dark theme. Returns what is seen."""
    lab.theme("Light")
    seen = lab.run_all(seconds)
    wrong = {key: seen[key] for key in ("skipped", "red", "broken", "dialogs") if seen[key]}
    wrong |= (
        {"figures": cut} if (cut := [f for f in seen["figures"] if not 0 < f[1] <= f[2] or not f[0]]) else {}
    )
    assert not wrong, wrong
    for theme in ("Light", "Dark"):
        lab.theme(theme)
        contrasts = lab.contrasts()
        assert contrasts and contrasts[0][0] >= READABLE, contrasts[:5]
    return seen


@contextmanager
def jupyterlab(root: Path, home: Path) -> Iterator[Lab]:
    """JupyterLab with the options of `make lab`, but root as its top folder and home for settings; and a browser."""
    show = ["make", "--no-print-directory", "-s", "-C", str(ROOT), "--eval", "show:; @echo '$(LAB)'", "show"]
    options = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    options = shlex.split(options.replace(f'root_dir="{ROOT}"', f'root_dir="{root}"'))
    settings = home / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    (settings / "tracker.jupyterlab-settings").write_text(ALL_CELLS)
    port, token = _free_port(), secrets.token_hex(16)
    environment = os.environ | {
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }
    with (home / "lab.log").open("w") as log, _driver(home) as driver:
        command = [
            sys.executable,
            "-m",
            "jupyter",
            "lab",
            *options,
            "--no-browser",
            f"--ServerApp.port={port}",
        ]
        command += [f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0"]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=root)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api", server, home / "lab.log")
            yield Lab(driver, f"http://127.0.0.1:{port}", token)
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def _driver(home: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
    arguments += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={home / 'chromium'}"]
    for argument in arguments:
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _wait_for(address: str, server: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
