"""Text can be read and drawn things can be told apart: WCAG AA in light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import OpenPage
from tests.page.demo import RunningPage

LIVE = "[data-testid=live-chip][data-state=live]"
SURFACES = ("page", "card", "raised")
TEXTS = ("ink", "muted")
STATES = ("good", "warn", "alert")
DRAWN = ("solar", "grid-in", "grid-out", "battery", "home", "gas", "water", "focus")
TEXT_RATIO, DRAWN_RATIO = 4.5, 3.0
WeakText = tuple[str, str, str, float]


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` or ``#rgb`` (WCAG 2.2)."""
    if len(colour) == 4:
        colour = "#" + "".join(digit * 2 for digit in colour[1:])
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_ratio_is_that_of_the_standard() -> None:
    assert ratio("#000000", "#ffffff") == pytest.approx(21)
    assert ratio("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_text_and_roles_reach_their_ratios(
    demo: RunningPage, open_page: OpenPage, scheme: str
) -> None:
    page = open_page(color_scheme=scheme)
    page.goto(demo.url)
    page.wait_for_selector(LIVE)
    names = [*SURFACES, *TEXTS, *STATES, *DRAWN, "warn-soft", "alert-soft"]
    colours: dict[str, str] = page.evaluate(
        """names => Object.fromEntries(names.map(name => [name,
          getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim()]))""",
        names,
    )
    pairs = [(text, on, TEXT_RATIO) for text in TEXTS for on in SURFACES]
    pairs += [(state, on, TEXT_RATIO) for state in STATES for on in ("page", "card")]
    pairs += [("warn", "warn-soft", TEXT_RATIO), ("alert", "alert-soft", TEXT_RATIO)]
    # Charts and drawings stand on cards.
    pairs += [(role, "card", DRAWN_RATIO) for role in DRAWN]
    weak = {
        f"{text} on {on}": round(ratio(colours[text], colours[on]), 2)
        for text, on, least in pairs
        if ratio(colours[text], colours[on]) < least
    }
    assert weak == {}


# Every text as it is painted, with the first solid colour behind it.
PAINTED = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
      if (colour[3] > 0) return null;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter(one => one.nodeType === 3 && one.data.trim());
    const box = element.getBoundingClientRect();
    const look = getComputedStyle(element);
    if (!own.length || !box.width || !box.height || look.visibility !== "visible") continue;
    if (element.closest(".skip, [disabled], [aria-disabled=true]")) continue;
    const isDrawn = element instanceof SVGElement;
    const colour = parse(isDrawn ? look.fill : look.color);
    const back = behind(element);
    if (!back || colour.length < 3) continue;
    let opacity = colour[3] ?? 1;
    for (let at = element; at; at = at.parentElement) {
      opacity *= Number(getComputedStyle(at).opacity);
    }
    const mixed = colour.slice(0, 3).map(
      (one, n) => Math.round(one * opacity + back[n] * (1 - opacity)));
    const hex = one => "#" + one.slice(0, 3).map(n => n.toString(16).padStart(2, "0")).join("");
    const size = parseFloat(look.fontSize);
    found.push({
      text: own[0].data.trim().slice(0, 40), colour: hex(mixed), back: hex(back),
      isLarge: size >= 24 || (size >= 18.66 && Number(look.fontWeight) >= 700),
    });
  }
  return found;
}"""


def list_weak_texts(page: Page, *, at_least: int, settle_ms: float) -> list[WeakText]:
    """Texts of a page that are hard to read: words, colour, colour behind, contrast.

    Args:
        page: Open; what it still loads is waited for.
        at_least: More texts than this must be there, or what was looked at is not the page.
        settle_ms: Time for what has just come to fade in [ms].
    """
    # What is still loading is faded.
    expect(page.get_by_text("Loading", exact=True)).to_have_count(0)
    page.wait_for_timeout(settle_ms)
    painted: list[dict[str, Any]] = page.evaluate(PAINTED)
    assert len(painted) > at_least
    return [
        (one["text"], one["colour"], one["back"], round(ratio(one["colour"], one["back"]), 2))
        for one in painted
        if ratio(one["colour"], one["back"]) < (DRAWN_RATIO if one["isLarge"] else TEXT_RATIO)
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/home", "/devices", "/health"])
def test_every_text_on_a_page_can_be_read(
    demo: RunningPage, open_page: OpenPage, scheme: str, path: str
) -> None:
    page = open_page(color_scheme=scheme)
    page.goto(demo.url + path)
    page.wait_for_selector(LIVE)
    assert list_weak_texts(page, at_least=20, settle_ms=800) == []
